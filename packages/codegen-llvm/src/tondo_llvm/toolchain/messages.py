"""Messages between a process and its compiling helper: eight bytes of length, then a pickled value.

Both ends are the same program on the same machine, connected by a pipe that nobody else can open.
"""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import IO

from tondo_llvm.toolchain.machine import MachineSpec
from tondo_llvm.toolchain.source import Optimization, Source


@dataclass(frozen=True, slots=True)
class Request:
    """Arguments of :func:`tondo_llvm.toolchain.generate.generate`."""

    source: Source
    machine: MachineSpec
    optimization: Optimization
    as_object: bool


def write_message(stream: IO[bytes], value: Request | bytes | str) -> None:
    """Send ``value``."""
    content = pickle.dumps(value)
    stream.write(struct.pack("<Q", len(content)) + content)
    stream.flush()


def read_message(stream: IO[bytes]) -> object:
    """Receive one value.

    Raises:
        EOFError: if the other end is gone.
    """
    (length,) = struct.unpack("<Q", _exactly(stream, 8))
    return pickle.loads(_exactly(stream, length))


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) != count:
        raise EOFError
    return content
