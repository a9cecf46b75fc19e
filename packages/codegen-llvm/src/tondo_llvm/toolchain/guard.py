"""Compilation in helper processes, for modules that could make LLVM end the process that runs it.

LLVM answers most wrong modules with a message. Two kinds it answers with ``abort()`` or ``exit(1)``: an intrinsic of a
processor without the feature it needs, and inline assembly that it cannot parse. Both can come from an intrinsic that a
plugin declares, so a mistake there must be an error message and not the end of the user's program.

Helpers start when first needed (about 0.15 s), serve one module after the other and end with this process. One that
dies costs its module only: what LLVM wrote becomes the message.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
from typing import IO, TYPE_CHECKING

from tondo_llvm.toolchain.failure import RefusedError
from tondo_llvm.toolchain.generate import generate
from tondo_llvm.toolchain.machine import MachineSpec, host_machine
from tondo_llvm.toolchain.messages import Request, read_message, write_message

if TYPE_CHECKING:
    from tondo_llvm.toolchain.source import Optimization, Source

_INLINE_ASSEMBLY = re.compile(r"^\s*module asm\b|\bcall\b[^\"\n]*\basm\b", re.MULTILINE)
_TARGET_INTRINSIC = re.compile(r"@(llvm\.(?:x86|aarch64|arm|riscv|ppc|s390|nvvm|amdgcn|wasm|loongarch)\.[\w.]+)")
# Of every processor of their architecture; the thread pool's text uses them.
_HARMLESS = frozenset({"llvm.x86.sse2.pause", "llvm.aarch64.isb"})
_PROGRAM = "import sys; sys.path[:] = {path!r}; from tondo_llvm.toolchain.worker import main; main()"


def may_end_process(ir_text: str) -> bool:
    """Whether LLVM might not return from ``ir_text``: it has inline assembly or intrinsics of a processor."""
    if _INLINE_ASSEMBLY.search(ir_text) is not None:
        return True
    return any(match[1] not in _HARMLESS for match in _TARGET_INTRINSIC.finditer(ir_text))


def foreign_assembly(ir_text: str, machine: MachineSpec) -> int:
    """Line of the first inline assembly for an architecture that this machine has no parser for, else 0."""
    if machine.architecture == host_machine().architecture:
        return 0
    found = _INLINE_ASSEMBLY.search(ir_text)
    return 0 if found is None else ir_text.count("\n", 0, found.start()) + 1


def generate_guarded(source: Source, machine: MachineSpec, optimization: Optimization, *, as_object: bool) -> bytes:
    """As :func:`tondo_llvm.toolchain.generate.generate`, in a helper process.

    Raises:
        RefusedError: also if LLVM ended the helper.
    """
    if not sys.executable:  # an embedded interpreter has no program to start
        return generate(source, machine, optimization, as_object=as_object)
    helper = _take()
    try:
        answer = helper.run(Request(source, machine, optimization, as_object))
    except BaseException:
        helper.end()
        raise
    _give_back(helper)
    if isinstance(answer, str):
        raise RefusedError(answer)
    return answer


class _Helper:
    """One process; messages are a length of eight bytes and a pickled value, in both directions."""

    def __init__(self) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by end()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            close_fds=True,
        )

    def run(self, request: Request) -> bytes | str:
        """Return the code, or LLVM's message."""
        pipe_in, pipe_out = self._process.stdin, self._process.stdout
        if pipe_in is None or pipe_out is None:
            raise RefusedError("the compiling process has no pipes")
        try:
            write_message(pipe_in, request)
            answer = read_message(pipe_out)
        except (EOFError, OSError):
            raise RefusedError(self._last_words()) from None
        if not isinstance(answer, bytes | str):
            raise RefusedError("the compiling process gave no code")
        return answer

    def end(self) -> None:
        """Stop the process; it may be dead already."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent cannot be flushed any more
                    pipe.close()
        self._said.close()

    def disown(self) -> None:
        """Close this process's ends of the pipes and leave the helper to the process that started it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.returncode = 0  # not ours to wait for

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def _last_words(self) -> str:
        status = self._process.wait()
        self._said.seek(0)
        text = self._said.read().decode(errors="replace")
        for line in text.splitlines():
            if line.startswith("LLVM ERROR:"):
                return line.removeprefix("LLVM ERROR:").strip()
        first = next((line.strip() for line in text.splitlines() if line.strip()), "")
        return first or f"LLVM ended its process with status {status}"


_lock = threading.Lock()
_IDLE: list[_Helper] = []


def _take() -> _Helper:
    with _lock:
        while _IDLE:
            helper = _IDLE.pop()
            if helper.alive():
                return helper
            helper.end()
    return _Helper()


def _give_back(helper: _Helper) -> None:
    with _lock:
        _IDLE.append(helper)


def _end_all() -> None:
    with _lock:
        while _IDLE:
            _IDLE.pop().end()


def _forget_all() -> None:
    """After a fork: the helpers belong to the parent process."""
    global _lock  # noqa: PLW0603  the parent's lock may be held by a thread that does not exist here
    _lock = threading.Lock()
    for helper in _IDLE:
        helper.disown()
    _IDLE.clear()


atexit.register(_end_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
