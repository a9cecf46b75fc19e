"""The slope and the shift of an elementwise function that is affine in one operand, as numbers along one axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from tondo.ir import Binary, Buffer, Cast, Const, Expr, Intrin, Load, Unary, Var, substitute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tondo_schedule.facts import Stage

_FUNCTIONS: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "exp": np.exp,
    "abs": np.abs,
    "log": np.log,
}


class _NotAffineError(Exception):
    """Raised inside this file when the value is not affine in the operand."""


@dataclass(frozen=True, slots=True)
class _Line:
    """``slope * x + shift``, each an array along the axis or a scalar."""

    slope: np.ndarray
    shift: np.ndarray

    @property
    def fixed(self) -> bool:
        return not np.any(self.slope)


def affine_along(
    stages: Sequence[Stage], operand: Buffer, constants: Mapping[Buffer, np.ndarray], axis: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return (slope, shift) of the last of ``stages`` as a function of ``operand``, in float64.

    Args:
        stages: elementwise stages; the last one is the result.
        operand: the buffer in which the result may be affine.
        constants: contents of every other input buffer.
        axis: output dimension along which the result may vary; its extent has to be a literal.

    Returns:
        Two arrays as long as the axis, or None if the result is not affine or varies along another axis.
    """
    result = stages[-1]
    extent, along = result.output.shape[axis], result.store.indices[axis]
    if not isinstance(extent, Const) or not isinstance(along, Var):
        return None
    by_output = {stage.output: stage for stage in stages}
    reader = _Reader(by_output, operand, constants, along, int(extent.value), result.store.indices)
    try:
        with np.errstate(all="ignore"):
            line = reader.line(result.store.value)
    except _NotAffineError:
        return None
    shape = (int(extent.value),)
    return np.broadcast_to(line.slope, shape), np.broadcast_to(line.shift, shape)


@dataclass(frozen=True)
class _Reader:
    stages: Mapping[Buffer, Stage]
    operand: Buffer
    constants: Mapping[Buffer, np.ndarray]
    along: Var
    extent: int
    point: tuple[Expr, ...]

    def line(self, value: Expr) -> _Line:
        match value:
            case Const():
                return _fixed(np.asarray(value.value, np.float64))
            case Load():
                return self._load(value)
            case Cast() if value.dtype.is_float:
                return self._cast(value)
            case Unary(op="neg") if value.dtype.is_float:
                inner = self.line(value.a)
                return _Line(-inner.slope, -inner.shift)
            case Binary() if value.dtype.is_float:
                return self._binary(value)
            case Intrin() if value.name in _FUNCTIONS and len(value.args) == 1:
                inner = self.line(value.args[0])
                if not inner.fixed:
                    raise _NotAffineError
                return _fixed(_FUNCTIONS[value.name](inner.shift))
            case _:
                raise _NotAffineError

    def _cast(self, value: Cast) -> _Line:
        inner = self.line(value.a)
        if not inner.fixed and (not value.a.dtype.is_float or value.a.dtype.bits > value.dtype.bits):
            raise _NotAffineError  # rounding is not affine
        return inner

    def _binary(self, value: Binary) -> _Line:
        a, b = self.line(value.a), self.line(value.b)
        match value.op:
            case "add":
                return _Line(a.slope + b.slope, a.shift + b.shift)
            case "sub":
                return _Line(a.slope - b.slope, a.shift - b.shift)
            case "mul" if a.fixed or b.fixed:
                return _Line(a.slope * b.shift + b.slope * a.shift, a.shift * b.shift)
            case "div" if b.fixed:
                return _Line(a.slope / b.shift, a.shift / b.shift)
            case _:
                raise _NotAffineError

    def _load(self, load: Load) -> _Line:
        if load.predicate is not None:
            raise _NotAffineError
        if load.buffer == self.operand:
            if load.indices != self.point:
                raise _NotAffineError
            return _Line(np.asarray(1.0), np.asarray(0.0))
        stage = self.stages.get(load.buffer)
        if stage is not None:
            return self.line(substitute(stage.store.value, _point(stage, load)))
        if load.buffer not in self.constants:
            raise _NotAffineError
        array = self.constants[load.buffer]
        return _fixed(array[tuple(self._index(index) for index in load.indices)].astype(np.float64))

    def _index(self, index: Expr) -> np.ndarray | int:
        if isinstance(index, Const):
            return int(index.value)
        if index == self.along:
            return np.arange(self.extent)
        raise _NotAffineError


def _fixed(value: np.ndarray) -> _Line:
    return _Line(np.asarray(0.0), np.asarray(value))


def _point(stage: Stage, load: Load) -> dict[Var, Expr]:
    """Return the values of the iteration variables of ``stage`` that make the element that ``load`` reads."""
    point: dict[Var, Expr] = {}
    for own, wanted in zip(stage.store.indices, load.indices, strict=True):
        if isinstance(own, Var):
            point[own] = wanted
        elif own != wanted:
            raise _NotAffineError
    return point
