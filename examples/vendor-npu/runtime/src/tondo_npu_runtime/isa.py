"""The instruction set of the accelerator: what one instruction says, as values.

The machine has three memories, all of float32 elements: **global** (the buffers of the call), the **scratchpad** and
the **accumulators**; and three units that work at the same time: a DMA engine between global memory and the
scratchpad, a 16 x 16 array of multiply-add cells, and a vector unit.

Numbers. An instruction holds no number itself but the place of one in the *value table* of its kernel. An entry is a
constant or a short program over the scalar arguments of the call (sizes known at run time), evaluated once per call.

Variables. An address is affine in variables: the counters of the loops around the instruction (number 0 is the
outermost), the *axes* of the instruction, which it runs over by itself (numbers from :data:`FIRST_AXIS`), and *digits*
(numbers from :data:`FIRST_DIGIT`). Digit ``j`` is ``(affine // divisor) % modulus`` of variables before it: the DMA
engine takes a linear pixel number apart into row and column with these, so that im2col needs no copy in memory.

==========  =======================================================================================================
LOOP, NEXT  repeat what is in between
LOAD        for all axes: ``space[target] = buffer[source]`` where all guards are >= 0, zero elsewhere
STORE       for all axes: ``buffer[target] = space[source]`` where all guards are >= 0
FILL        for all axes: ``space[target] = value``
MATMUL      for all axes: ``c[i, j] += sum of a[i, k] * b[k, j]`` for 16 x 16 x 16 elements
VECTOR      for all axes: ``space[target] = program(operands)``, the program being elementwise operations
END         the kernel is done
==========  =======================================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

TILE: Final = 16
"""Rows, columns and depth of one step of the array."""
MAX_LOOPS: Final = 8
MAX_AXES: Final = 8
MAX_DIGITS: Final = 32
FIRST_AXIS: Final = MAX_LOOPS
FIRST_DIGIT: Final = FIRST_AXIS + MAX_AXES
NO_MODULUS: Final = 0xFFFF
"""Instead of the place of a modulus: the digit is a plain quotient."""

ValueId: TypeAlias = int
"""Place in the value table."""


class Space(IntEnum):
    """Memories on the device."""

    SCRATCHPAD = 1
    ACCUMULATOR = 2


class Opcode(IntEnum):
    """First byte of an instruction."""

    END = 0
    LOOP = 1
    NEXT = 2
    LOAD = 3
    STORE = 4
    FILL = 5
    MATMUL = 6
    VECTOR = 7


class Step(IntEnum):
    """Steps of a program of the value table, on a stack of integers."""

    CONST = 0
    SCALAR = 1
    ADD = 2
    SUB = 3
    MUL = 4
    FLOORDIV = 5
    FLOORMOD = 6
    MIN = 7
    MAX = 8


class VectorOp(IntEnum):
    """Elementwise operations of the vector unit; the comment of each is its meaning in numpy's words."""

    ADD = 0
    SUB = 1
    MUL = 2
    DIV = 3
    MIN = 4  # a where a < b, else b
    MAX = 5  # a where a > b, else b
    NEG = 6
    ABS = 7
    SQRT = 8
    EXP = 9
    TANH = 10
    ERF = 11  # absolute error below 2e-7
    SIGMOID = 12
    LT = 13  # conditions are 1 or 0
    LE = 14
    EQ = 15
    SELECT = 16  # b where a is not 0, else c
    RSQRT = 17
    LOG = 18


ARITY: Final = {
    **dict.fromkeys((VectorOp.ADD, VectorOp.SUB, VectorOp.MUL, VectorOp.DIV, VectorOp.MIN, VectorOp.MAX), 2),
    **dict.fromkeys((VectorOp.LT, VectorOp.LE, VectorOp.EQ), 2),
    **dict.fromkeys((VectorOp.NEG, VectorOp.ABS, VectorOp.SQRT, VectorOp.RSQRT, VectorOp.EXP, VectorOp.LOG), 1),
    **dict.fromkeys((VectorOp.TANH, VectorOp.ERF, VectorOp.SIGMOID), 1),
    VectorOp.SELECT: 3,
}
"""Operands of each operation."""


@dataclass(frozen=True, slots=True)
class Value:
    """An entry of the value table: ``steps`` leave one number on the stack; a step is an operation and its operand."""

    steps: tuple[tuple[Step, int], ...]

    @classmethod
    def constant(cls, number: int) -> Value:
        """Return the entry for ``number``."""
        return cls(((Step.CONST, number),))


@dataclass(frozen=True, slots=True)
class Affine:
    """``base + sum(coefficient * variable)``; base and coefficients are places in the value table."""

    base: ValueId
    terms: tuple[tuple[int, ValueId], ...] = ()


@dataclass(frozen=True, slots=True)
class Digit:
    """``(source // divisor) % modulus``; no modulus if that is :data:`NO_MODULUS`."""

    source: Affine
    divisor: ValueId
    modulus: ValueId


@dataclass(frozen=True, slots=True)
class Loop:
    """Repeat the instructions up to the matching :class:`Next`, ``count`` times."""

    count: ValueId


@dataclass(frozen=True, slots=True)
class Next:
    """End of the innermost loop."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address in a memory of the device, in elements."""

    space: Space
    address: Affine


@dataclass(frozen=True, slots=True)
class Transfer:
    """LOAD or STORE: between ``buffer`` (number of the argument) and the device.

    Attributes:
        opcode: which of the two.
        buffer: number of the buffer among those of the call.
        outside: address in the buffer, in elements; may use digits.
        inside: address on the device.
        axes: sizes of the axes.
        digits: in the order of their numbers.
        guards: each has to be at least 0 for an element to be taken.
    """

    opcode: Opcode
    buffer: int
    outside: Affine
    inside: Place
    axes: tuple[ValueId, ...]
    digits: tuple[Digit, ...] = ()
    guards: tuple[Affine, ...] = ()


@dataclass(frozen=True, slots=True)
class Fill:
    """Write ``value`` everywhere."""

    target: Place
    axes: tuple[ValueId, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Tile:
    """A 16 x 16 operand of the array: where it begins, and the distance between its rows."""

    place: Place
    stride: ValueId


@dataclass(frozen=True, slots=True)
class Matmul:
    """``c += a @ b`` for every combination of the axes, which move the tiles."""

    a: Tile
    b: Tile
    c: Tile
    axes: tuple[ValueId, ...]


@dataclass(frozen=True, slots=True)
class Vector:
    """An elementwise program.

    ``operands``, then ``constants``, then the result of each step have the numbers 0, 1, 2 ...; the last result is
    what is stored.
    """

    target: Place
    axes: tuple[ValueId, ...]
    operands: tuple[Place, ...]
    constants: tuple[float, ...]
    program: tuple[tuple[VectorOp, tuple[int, ...]], ...]


Instruction: TypeAlias = Loop | Next | Transfer | Fill | Matmul | Vector


@dataclass(frozen=True, slots=True)
class Kernel:
    """One function of a program.

    Attributes:
        name: of the tensor function that it computes.
        symbol: the packed function that it defines.
        scalars: how many scalar arguments come first.
        buffers: how many buffers follow.
        outputs: how many of these, the last ones, are written.
        scratchpad: elements of the scratchpad that it uses.
        accumulators: elements of the accumulators that it uses.
        values: the value table.
        code: the instructions, without the END.
    """

    name: str
    symbol: str
    scalars: int
    buffers: int
    outputs: int
    scratchpad: int
    accumulators: int
    values: tuple[Value, ...]
    code: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """What one stream holds."""

    kernels: tuple[Kernel, ...]
