"""A program as bytes.

Little-endian throughout. Header: ``TNPU``, version (uint16), 0 (uint16), length of the rest (uint32), CRC-32 of the
rest (uint32). The rest: number of kernels (uint16), then each kernel: name and symbol (uint16 length, UTF-8), number of
scalars, buffers and outputs (uint8 each), elements of scratchpad and accumulators (uint32 each), the value table
(uint16 entries; an entry is a uint8 number of steps, each a uint8 with an int64), length of the code in bytes (uint32),
the code. An instruction is its opcode (uint8) and its fields in the order of its class in
:mod:`tondo_npu_runtime.isa`; sequences begin with their length as a uint8, places in the value table are uint16.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final, assert_never

from tondo_npu_runtime.isa import (
    Affine,
    Digit,
    Fill,
    Instruction,
    Kernel,
    Loop,
    Matmul,
    Next,
    Opcode,
    Place,
    Program,
    Tile,
    Transfer,
    Vector,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAGIC: Final = b"TNPU"
VERSION: Final = 1
HEADER: Final = struct.Struct("<4sHHII")


def encode(program: Program) -> bytes:
    """Return the bytes of ``program``; :func:`tondo_npu_runtime.decode.decode` is the inverse.

    Raises:
        struct.error: a number is too large for its field.
    """
    body = struct.pack("<H", len(program.kernels)) + b"".join(_kernel(kernel) for kernel in program.kernels)
    return HEADER.pack(MAGIC, VERSION, 0, len(body), zlib.crc32(body)) + body


def _kernel(kernel: Kernel) -> bytes:
    out = _Writer()
    out.text(kernel.name)
    out.text(kernel.symbol)
    out.put("BBBII", kernel.scalars, kernel.buffers, kernel.outputs, kernel.scratchpad, kernel.accumulators)
    out.put("H", len(kernel.values))
    for value in kernel.values:
        out.put("B", len(value.steps))
        for step, operand in value.steps:
            out.put("Bq", step, operand)
    code = encode_code(kernel.code)
    out.put("I", len(code))
    out.data += code
    return bytes(out.data)


def encode_code(code: Iterable[Instruction]) -> bytes:
    """Return the bytes of instructions, with the END."""
    out = _Writer()
    for instruction in code:
        out.instruction(instruction)
    out.put("B", Opcode.END)
    return bytes(out.data)


class _Writer:
    """Appends fields to bytes."""

    def __init__(self) -> None:
        self.data = bytearray()

    def put(self, form: str, *numbers: int) -> None:
        self.data += struct.pack(f"<{form}", *numbers)

    def text(self, text: str) -> None:
        encoded = text.encode()
        self.put("H", len(encoded))
        self.data += encoded

    def ids(self, ids: Sequence[int]) -> None:
        self.put(f"B{len(ids)}H", len(ids), *ids)

    def affine(self, value: Affine) -> None:
        self.put("HB", value.base, len(value.terms))
        for variable, coefficient in value.terms:
            self.put("BH", variable, coefficient)

    def digits(self, digits: Sequence[Digit]) -> None:
        self.put("B", len(digits))
        for digit in digits:
            self.affine(digit.source)
            self.put("HH", digit.divisor, digit.modulus)

    def place(self, place: Place) -> None:
        self.put("B", place.space)
        self.affine(place.address)

    def tile(self, tile: Tile) -> None:
        self.place(tile.place)
        self.put("H", tile.stride)

    def floats(self, values: Sequence[float]) -> None:
        self.put("B", len(values))
        self.data += struct.pack(f"<{len(values)}f", *values)

    def instruction(self, item: Instruction) -> None:
        match item:
            case Loop():
                self.put("BH", Opcode.LOOP, item.count)
            case Next():
                self.put("B", Opcode.NEXT)
            case Transfer():
                self._transfer(item)
            case Fill():
                self.put("B", Opcode.FILL)
                self.place(item.target)
                self.ids(item.axes)
                self.data += struct.pack("<f", item.value)
            case Matmul():
                self.put("B", Opcode.MATMUL)
                for tile in (item.a, item.b, item.c):
                    self.tile(tile)
                self.ids(item.axes)
            case Vector():
                self._vector(item)
            case _:
                assert_never(item)

    def _transfer(self, item: Transfer) -> None:
        self.put("BB", item.opcode, item.buffer)
        self.affine(item.outside)
        self.place(item.inside)
        self.ids(item.axes)
        self.digits(item.digits)
        self.put("B", len(item.guards))
        for guard in item.guards:
            self.affine(guard)

    def _vector(self, item: Vector) -> None:
        self.put("B", Opcode.VECTOR)
        self.place(item.target)
        self.ids(item.axes)
        self.put("B", len(item.operands))
        for operand in item.operands:
            self.place(operand)
        self.floats(item.constants)
        self.put("B", len(item.program))
        for operation, arguments in item.program:
            self.put(f"BB{len(arguments)}B", operation, len(arguments), *arguments)
