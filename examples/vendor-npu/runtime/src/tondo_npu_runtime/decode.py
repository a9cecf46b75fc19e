"""Bytes as a program, or a coded error: nothing of a damaged or foreign stream is trusted.

Header, checksum and version are checked first, then every field: opcodes, variables that exist, places in the value
table, operands of vector programs, loops that end. What remains to be checked when the program runs are addresses.
"""

from __future__ import annotations

import struct
import zlib
from typing import TypeVar

from tondo_npu_runtime.encode import HEADER, MAGIC, VERSION
from tondo_npu_runtime.isa import (
    ARITY,
    FIRST_AXIS,
    FIRST_DIGIT,
    MAX_AXES,
    MAX_DIGITS,
    MAX_LOOPS,
    NO_MODULUS,
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
    Space,
    Step,
    Tile,
    Transfer,
    Value,
    Vector,
    VectorOp,
)
from tondo_runtime.errors import fail

E = TypeVar("E", Space, Step, Opcode, VectorOp)


def decode(name: str, data: bytes | memoryview) -> Program:
    """Return the program in ``data``.

    Args:
        name: where it comes from, for messages.
        data: the bytes that :func:`tondo_npu_runtime.encode.encode` made.

    Raises:
        RuntimeFailure: TND-A001 if it is damaged, TND-A003 if it is of a newer version.
    """
    if len(data) < HEADER.size:
        fail("TND-A001", f"{name} is too short to be a program of the accelerator")
    magic, version, _, length, checksum = HEADER.unpack_from(data)
    if magic != MAGIC:
        fail("TND-A001", f"{name} is no program of the accelerator")
    if version > VERSION:
        help_ = "update tondo-example-npu-runtime"
        fail("TND-A003", f"{name} is of version {version}, this runtime knows {VERSION}", help=help_)
    body = bytes(data[HEADER.size :])
    if len(body) != length or zlib.crc32(body) != checksum:
        fail("TND-A001", f"{name} is damaged: its checksum differs")
    reader = _Reader(name, body)
    try:
        return Program(tuple(reader.kernel() for _ in range(reader.number("H"))))
    except (struct.error, UnicodeDecodeError):
        fail("TND-A001", f"{name} is damaged: it ends too early or holds no text where there should be some")


class _Reader:
    """Takes fields off bytes and checks them."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = data
        self._at = 0
        self._scalars = 0
        self._buffers = 0
        self._values = 0
        self._depth = 0

    # -- fields

    def take(self, form: str) -> tuple[int, ...]:
        layout = struct.Struct(f"<{form}")
        numbers = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return numbers

    def number(self, form: str) -> int:
        return self.take(form)[0]

    def floats(self, count: int) -> tuple[float, ...]:
        return tuple(float(number) for number in self.take(f"{count}f"))

    def text(self) -> str:
        length = self.number("H")
        self._at += length
        return self._data[self._at - length : self._at].decode()

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            fail("TND-A001", f"{self._name} is damaged: {what}")

    def of(self, kind: type[E], number: int) -> E:
        try:
            return kind(number)
        except ValueError:
            fail("TND-A001", f"{self._name} is damaged: there is no {kind.__name__.lower()} {number}")

    def value(self) -> int:
        found = self.number("H")
        self.check(found < self._values, f"the value table has no entry {found}")
        return found

    def axes(self) -> tuple[int, ...]:
        count = self.number("B")
        self.check(count <= MAX_AXES, f"an instruction has {count} axes")
        return tuple(self.value() for _ in range(count))

    def affine(self) -> Affine:
        base, count = self.value(), self.number("B")
        return Affine(base, tuple((self.number("B"), self.value()) for _ in range(count)))

    def place(self) -> Place:
        return Place(self.of(Space, self.number("B")), self.affine())

    # -- kernels

    def kernel(self) -> Kernel:
        name, symbol = self.text(), self.text()
        scalars, buffers, outputs, scratchpad, accumulators = self.take("BBBII")
        self.check(1 <= outputs <= buffers, f"'{name}' has {buffers} buffers and {outputs} outputs")
        self._scalars, self._buffers = scalars, buffers
        values = tuple(self._entry() for _ in range(self.number("H")))
        self._values = len(values)
        end = self.number("I") + self._at
        code = self._code()
        self.check(self._at == end, f"the code of '{name}' does not end where it should")
        return Kernel(name, symbol, scalars, buffers, outputs, scratchpad, accumulators, values, code)

    def _entry(self) -> Value:
        steps: list[tuple[Step, int]] = []
        depth = 0
        for _ in range(self.number("B")):
            number, operand = self.take("Bq")
            step = self.of(Step, number)
            if step in {Step.CONST, Step.SCALAR}:
                depth += 1
                self.check(step == Step.CONST or 0 <= operand < self._scalars, f"there is no scalar {operand}")
            else:
                self.check(depth >= 2, "a program of the value table has too few operands")
                depth -= 1
            steps.append((step, operand))
        self.check(depth == 1, "a program of the value table leaves no single number")
        return Value(tuple(steps))

    def _code(self) -> tuple[Instruction, ...]:
        code: list[Instruction] = []
        self._depth = 0
        while (opcode := self.of(Opcode, self.number("B"))) != Opcode.END:
            instruction = self._instruction(opcode)
            if isinstance(instruction, Loop):
                self._depth += 1
            elif isinstance(instruction, Next):
                self._depth -= 1
            self.check(0 <= self._depth <= MAX_LOOPS, "loops do not match")
            code.append(instruction)
        self.check(self._depth == 0, "a loop does not end")
        return tuple(code)

    def _instruction(self, opcode: Opcode) -> Instruction:
        match opcode:
            case Opcode.LOOP:
                return Loop(self.value())
            case Opcode.NEXT:
                return Next()
            case Opcode.LOAD | Opcode.STORE:
                return self._transfer(opcode)
            case Opcode.FILL:
                target, axes = self.place(), self.axes()
                self._bound([target.address], len(axes))
                return Fill(target, axes, self.floats(1)[0])
            case Opcode.MATMUL:
                a, b, c = (Tile(self.place(), self.value()) for _ in range(3))
                axes = self.axes()
                self._bound([tile.place.address for tile in (a, b, c)], len(axes))
                return Matmul(a, b, c, axes)
            case Opcode.VECTOR:
                return self._vector()
            case Opcode.END:
                raise AssertionError

    def _transfer(self, opcode: Opcode) -> Transfer:
        buffer = self.number("B")
        self.check(buffer < self._buffers, f"there is no buffer {buffer}")
        outside, inside, axes = self.affine(), self.place(), self.axes()
        count = self.number("B")
        self.check(count <= MAX_DIGITS, f"an instruction has {count} digits")
        digits = tuple(self._digit(len(axes), place) for place in range(count))
        guards = tuple(self.affine() for _ in range(self.number("B")))
        self._bound([outside, *guards], len(axes), count)
        self._bound([inside.address], len(axes))
        return Transfer(opcode, buffer, outside, inside, axes, digits, guards)

    def _digit(self, axes: int, place: int) -> Digit:
        source, divisor = self.affine(), self.value()
        modulus = self.number("H")
        self.check(modulus == NO_MODULUS or modulus < self._values, f"the value table has no entry {modulus}")
        self._bound([source], axes, place)
        return Digit(source, divisor, modulus)

    def _vector(self) -> Vector:
        target, axes = self.place(), self.axes()
        operands = tuple(self.place() for _ in range(self.number("B")))
        self._bound([target.address, *(operand.address for operand in operands)], len(axes))
        constants = self.floats(self.number("B"))
        program: list[tuple[VectorOp, tuple[int, ...]]] = []
        known = len(operands) + len(constants)
        for _ in range(self.number("B")):
            operation, arity = self.of(VectorOp, self.number("B")), self.number("B")
            arguments = self.take(f"{arity}B")
            fits = arity == ARITY[operation] and all(argument < known for argument in arguments)
            self.check(fits, f"the operands of {operation.name} are wrong")
            program.append((operation, arguments))
            known += 1
        self.check(known > 0, "a vector instruction computes nothing")
        return Vector(target, axes, operands, constants, tuple(program))

    def _bound(self, addresses: list[Affine], axes: int, digits: int = 0) -> None:
        """Check that addresses use variables that there are."""
        known = {
            *range(self._depth),
            *range(FIRST_AXIS, FIRST_AXIS + axes),
            *range(FIRST_DIGIT, FIRST_DIGIT + digits),
        }
        used = {variable for address in addresses for variable, _ in address.terms}
        self.check(used <= known, f"there is no variable {min(used - known, default=0)}")
