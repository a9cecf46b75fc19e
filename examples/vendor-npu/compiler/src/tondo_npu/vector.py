"""Elementwise expressions as programs of the vector unit."""

from __future__ import annotations

from typing import Final

from tondo.diagnostics import fail
from tondo.ir import Binary, Compare, Const, Expr, Intrin, Load, Select, Unary
from tondo_npu_runtime.isa import VectorOp

_BINARY: Final = {
    "add": VectorOp.ADD,
    "sub": VectorOp.SUB,
    "mul": VectorOp.MUL,
    "div": VectorOp.DIV,
    "min": VectorOp.MIN,
    "max": VectorOp.MAX,
}
_INTRINSICS: Final = {
    "abs": VectorOp.ABS,
    "sqrt": VectorOp.SQRT,
    "rsqrt": VectorOp.RSQRT,
    "exp": VectorOp.EXP,
    "log": VectorOp.LOG,
    "tanh": VectorOp.TANH,
    "erf": VectorOp.ERF,
    "sigmoid": VectorOp.SIGMOID,
}
_COMPARE: Final = {
    "lt": (VectorOp.LT, False),
    "le": (VectorOp.LE, False),
    "gt": (VectorOp.LT, True),
    "ge": (VectorOp.LE, True),
    "eq": (VectorOp.EQ, False),
}
"""Comparisons, and whether the operands change places."""

MOST_OPERANDS: Final = 8
MOST_STEPS: Final = 64


def unsupported(value: Expr) -> str | None:
    """Return why the vector unit cannot compute ``value``, a clause; None if it can."""
    program = Program()
    reason = program.refusal(value)
    if reason is not None:
        return reason
    if len(program.loads) > MOST_OPERANDS or len(program.steps) > MOST_STEPS:
        return "what follows the sum is too long for the vector unit"
    return None


class Program:
    """A program under construction: operands in the order of their first use, then constants, then steps."""

    def __init__(self) -> None:
        """Start an empty program."""
        self.loads: dict[Load, int] = {}
        self.constants: dict[float, int] = {}
        self.steps: list[tuple[VectorOp, tuple[_Number, ...]]] = []
        self._known: dict[Expr, _Number] = {}

    def refusal(self, value: Expr) -> str | None:
        """Add ``value``; return why that cannot be done, None if it can."""
        try:
            self.add(value)
        except _UnsupportedError as error:
            return str(error)
        return None

    def add(self, value: Expr) -> _Number:
        """Add the steps that compute ``value``; return the number of its result."""
        if value not in self._known:
            self._known[value] = self._made(value)
        return self._known[value]

    def finished(self) -> tuple[tuple[Load, ...], tuple[float, ...], tuple[tuple[VectorOp, tuple[int, ...]], ...]]:
        """Return operands, constants and steps with their final numbers."""
        place = {"load": 0, "constant": len(self.loads), "step": len(self.loads) + len(self.constants)}
        steps = tuple(
            (operation, tuple(place[kind] + number for kind, number in operands)) for operation, operands in self.steps
        )
        return tuple(self.loads), tuple(self.constants), steps

    def _made(self, value: Expr) -> _Number:
        match value:
            case Load() if value.predicate is None:
                return "load", self.loads.setdefault(value, len(self.loads))
            case Const() if value.dtype.is_float:
                return "constant", self.constants.setdefault(float(value.value), len(self.constants))
            case Binary() if value.op in _BINARY:
                return self._step(_BINARY[value.op], value.a, value.b)
            case Unary(op="neg"):
                return self._step(VectorOp.NEG, value.a)
            case Intrin() if value.name in _INTRINSICS:
                return self._step(_INTRINSICS[value.name], *value.args)
            case Compare() if value.op in _COMPARE and value.a.dtype.is_float:
                operation, swapped = _COMPARE[value.op]
                return self._step(operation, *((value.b, value.a) if swapped else (value.a, value.b)))
            case Select():
                return self._step(VectorOp.SELECT, value.condition, value.a, value.b)
            case _:
                raise _UnsupportedError(f"the vector unit has no '{_name(value)}'")

    def _step(self, operation: VectorOp, *arguments: Expr) -> _Number:
        self.steps.append((operation, tuple(self.add(argument) for argument in arguments)))
        return "step", len(self.steps) - 1


_Number = tuple[str, int]
"""An operand, constant or step under construction, by its number among its like."""


class _UnsupportedError(Exception):
    """Raised inside this file with the reason."""


def _name(value: Expr) -> str:
    found = getattr(value, "name", None) or getattr(value, "op", None)
    return str(found or type(value).__name__.lower())


def compiled(
    value: Expr, function: str
) -> tuple[tuple[Load, ...], tuple[float, ...], tuple[tuple[VectorOp, tuple[int, ...]], ...]]:
    """Return the program of ``value``: operands, constants, steps.

    Raises:
        TondoError: TND-B004 if the vector unit cannot compute it.
    """
    program = Program()
    reason = program.refusal(value)
    if reason is not None:
        fail("TND-B004", f"'{function}' cannot be compiled for the accelerator: {reason}")
    return program.finished()
