"""The value table of a kernel under construction: each number once, constants and programs over the scalars."""

from __future__ import annotations

from typing import Final

from tondo.arith import Analyzer
from tondo.diagnostics import fail
from tondo.ir import Binary, Const, Expr, Unary, Var
from tondo_npu_runtime.isa import Step, Value

_STEPS: Final = {
    "add": Step.ADD,
    "sub": Step.SUB,
    "mul": Step.MUL,
    "floordiv": Step.FLOORDIV,
    "floormod": Step.FLOORMOD,
    "min": Step.MIN,
    "max": Step.MAX,
}


class Numbers:
    """Gives places in the value table to integer expressions over the scalars of a function."""

    def __init__(self, function: str, scalars: tuple[Var, ...]) -> None:
        """Start an empty table for ``function``, which is named in messages."""
        self._function = function
        self._scalars = {var: place for place, var in enumerate(scalars)}
        self._places: dict[Value, int] = {}
        self._known = Analyzer()

    @property
    def table(self) -> tuple[Value, ...]:
        """The entries in order."""
        return tuple(self._places)

    def __call__(self, value: Expr | int) -> int:
        """Return the place of ``value``.

        Raises:
            TondoError: TND-B004 for an expression that the machine cannot evaluate.
        """
        expr = Const(value) if isinstance(value, int) else self._known.simplify(value)
        entry = Value(tuple(self._steps(expr)))
        return self._places.setdefault(entry, len(self._places))

    def _steps(self, expr: Expr) -> list[tuple[Step, int]]:
        match expr:
            case Const():
                return [(Step.CONST, int(expr.value))]
            case Var() if expr in self._scalars:
                return [(Step.SCALAR, self._scalars[expr])]
            case Binary() if expr.op in _STEPS:
                return [*self._steps(expr.a), *self._steps(expr.b), (_STEPS[expr.op], 0)]
            case Unary(op="neg"):
                return [(Step.CONST, 0), *self._steps(expr.a), (Step.SUB, 0)]
            case _:
                name = getattr(expr, "name", None) or getattr(expr, "op", type(expr).__name__)
                return fail("TND-B004", f"'{self._function}': the accelerator cannot evaluate '{name}' in a size")
