"""The value table of a kernel: sizes that depend on the scalars of a call become numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from tondo_npu_runtime.isa import Step
from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from tondo_npu_runtime.isa import Value

_LIMIT: Final = 1 << 62

_BINARY: Final[dict[Step, Callable[[int, int], int]]] = {
    Step.ADD: lambda a, b: a + b,
    Step.SUB: lambda a, b: a - b,
    Step.MUL: lambda a, b: a * b,
    Step.FLOORDIV: lambda a, b: a // b,
    Step.FLOORMOD: lambda a, b: a % b,
    Step.MIN: min,
    Step.MAX: max,
}


def evaluate(kernel: str, table: Sequence[Value], scalars: Sequence[int]) -> list[int]:
    """Return the numbers of ``table`` for the scalars of a call.

    Raises:
        RuntimeFailure: TND-R003 for a division by zero, TND-X003 for a number that is too large.
    """
    return [_number(kernel, value, scalars) for value in table]


def _number(kernel: str, value: Value, scalars: Sequence[int]) -> int:
    stack: list[int] = []
    for step, operand in value.steps:
        if step == Step.CONST:
            stack.append(operand)
        elif step == Step.SCALAR:
            stack.append(scalars[operand])
        else:
            second = stack.pop()
            if second == 0 and step in {Step.FLOORDIV, Step.FLOORMOD}:
                fail("TND-R003", f"accelerator kernel '{kernel}': a size is divided by zero")
            stack.append(_BINARY[step](stack.pop(), second))
    if abs(stack[-1]) > _LIMIT:
        fail("TND-X003", f"accelerator kernel '{kernel}': a size does not fit 62 bits")
    return stack[-1]
