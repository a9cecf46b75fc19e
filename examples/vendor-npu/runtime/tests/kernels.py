"""Kernels written by hand, and what it takes to run them."""

from __future__ import annotations

import numpy as np

from tondo_npu_runtime.isa import (
    FIRST_AXIS,
    Affine,
    Instruction,
    Kernel,
    Place,
    Space,
    Step,
    Value,
)
from tondo_npu_runtime.profile import KernelReport, profile
from tondo_npu_runtime.simulate import Executable


class Table:
    """Makes a value table: each number once."""

    def __init__(self) -> None:
        self.entries: dict[Value, int] = {}

    def __call__(self, number: int) -> int:
        return self.entries.setdefault(Value.constant(number), len(self.entries))

    def program(self, *steps: tuple[Step, int]) -> int:
        return self.entries.setdefault(Value(steps), len(self.entries))

    def affine(self, base: int, *terms: tuple[int, int]) -> Affine:
        return Affine(self(base), tuple((variable, self(factor)) for variable, factor in terms))

    def rows(self, base: int, *strides: int) -> Affine:
        """The address that moves by a stride for each axis."""
        return self.affine(base, *((FIRST_AXIS + axis, stride) for axis, stride in enumerate(strides) if stride))

    def place(self, space: Space, base: int, *strides: int) -> Place:
        return Place(space, self.rows(base, *strides))


def kernel(
    table: Table,
    *code: Instruction,
    buffers: int = 2,
    scalars: int = 0,
    scratchpad: int = 4096,
    accumulators: int = 1024,
) -> Kernel:
    return Kernel("test", "npu.test", scalars, buffers, 1, scratchpad, accumulators, tuple(table.entries), code)


def run(made: Kernel, *args: int | np.ndarray) -> KernelReport:
    with profile() as report:
        Executable(made)(*args)
    return report.kernels["test"]
