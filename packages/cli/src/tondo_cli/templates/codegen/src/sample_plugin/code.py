"""The code of a stack machine for arrays: a header, then five bytes for each instruction.

    bytes 0-7   the letters STACK, a zero, and the version (16 bits, little-endian)
    opcode      one byte, an index into :data:`OPCODES`
    operand     four bytes: a float32 for ``const``, a number for ``input``, else zero

``input`` pushes the array of an argument, ``const`` a number; every other opcode takes one or two values from the stack
and pushes the result. What is left at the end is the value of the kernel.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

VERSION: Final = 1
OPCODES: Final = ("input", "const", "add", "sub", "mul", "div", "max", "min")
OPERANDS: Final = {"add": 2, "sub": 2, "mul": 2, "div": 2, "max": 2, "min": 2}
_MAGIC: Final = b"STACK\0"
_HEADER: Final = struct.Struct("<6sH")
_NUMBER: Final = struct.Struct("<Bf")
_INDEX: Final = struct.Struct("<BI")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction; ``operand`` is a number for ``const``, the position of an argument for ``input``."""

    opcode: str
    operand: float = 0.0


def encode(program: Sequence[Instruction]) -> bytes:
    """Return the code of ``program``."""
    parts = [_HEADER.pack(_MAGIC, VERSION)]
    for step in program:
        number = OPCODES.index(step.opcode)
        parts.append(
            _NUMBER.pack(number, step.operand) if step.opcode == "const" else _INDEX.pack(number, int(step.operand))
        )
    return b"".join(parts)


def decode(data: bytes) -> list[Instruction]:
    """Return the program in ``data``.

    Raises:
        ValueError: if it is no code, or code of another version.
    """
    if len(data) < _HEADER.size or _HEADER.unpack_from(data) != (_MAGIC, VERSION):
        msg = f"this is no code of version {VERSION}"
        raise ValueError(msg)
    if (len(data) - _HEADER.size) % _INDEX.size:
        msg = "the code ends within an instruction"
        raise ValueError(msg)
    program: list[Instruction] = []
    depth = 0
    for place in range(_HEADER.size, len(data), _INDEX.size):
        number, index = _INDEX.unpack_from(data, place)
        if number >= len(OPCODES):
            msg = f"there is no opcode {number}"
            raise ValueError(msg)
        opcode = OPCODES[number]
        program.append(Instruction(opcode, _NUMBER.unpack_from(data, place)[1] if opcode == "const" else float(index)))
        depth -= OPERANDS.get(opcode, 0)
        if depth < 0:
            msg = "an instruction takes more than there is"
            raise ValueError(msg)
        depth += 1
    if depth != 1:
        msg = f"{depth} values are left instead of one"
        raise ValueError(msg)
    return program
