"""The helper process of :mod:`tondo_llvm.toolchain.guard`: compiles what comes in until the input ends."""

from __future__ import annotations

import os
import sys

from tondo_llvm.toolchain.failure import RefusedError
from tondo_llvm.toolchain.generate import generate
from tondo_llvm.toolchain.messages import Request, read_message, write_message


def main() -> None:
    """Answer requests from standard input on standard output, with the code or with LLVM's message."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not disturb the answers
    while True:
        try:
            request = read_message(sys.stdin.buffer)
        except EOFError:
            return
        if not isinstance(request, Request):
            return
        try:
            answer: bytes | str = generate(
                request.source, request.machine, request.optimization, as_object=request.as_object
            )
        except RefusedError as error:
            answer = str(error)
        write_message(answers, answer)
