"""Calls that only copy: which element of its argument each element of a result is.

A call is a copy when its function has one stage whose value is a single unconditional load. Copies of copies are one
copy; a copy that keeps the order of the elements is a view.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from tondo.arith import Analyzer
from tondo.ir import Atom, Compute, Const, Expr, Load, TensorFunction, TensorType, Var, add, mul, sub, substitute, walk
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo.ir import CallDps


@dataclass(frozen=True, slots=True)
class Copy:
    """A value that is ``source[indices]`` at the point ``variables``; dimensions are those of the caller."""

    source: Atom
    variables: tuple[Var, ...]
    indices: tuple[Expr, ...]

    def through(self, inner: Copy, shape: Sequence[Expr]) -> Copy:
        """Return the copy that this one, whose result has ``shape``, makes if its source is the copy ``inner``."""
        mapping = dict(zip(inner.variables, self.indices, strict=True))
        known = inside(self.variables, shape)
        indices = tuple(known.simplify(substitute(index, mapping)) for index in inner.indices)
        return Copy(inner.source, self.variables, indices)

    def is_view(self, shape: Sequence[Expr]) -> bool:
        """Whether the result, of ``shape``, has the elements of the source in the same order, all of them."""
        return _keeps_order(self.variables, self.indices, self.source.tensor.dims, tuple(shape))

    def window(self, shape: Sequence[Expr]) -> Expr | None:
        """Return where the elements of the result, of ``shape``, begin in the source if they are neighbours there.

        It is the position of the first one in row-major order, None if they are not one run in the same order.
        """
        return _window(self.variables, self.indices, self.source.tensor.dims, tuple(shape))

    def function(self, name: str, shape: Sequence[Expr]) -> TensorFunction:
        """Return the function that makes this copy, with a result of ``shape``."""
        builder = Compute(name)
        source = builder.input("x", self.source.tensor)

        def value(*point: Expr) -> Expr:
            return source[substitute_all(self.indices, dict(zip(self.variables, point, strict=True)))]

        return builder.build(builder.compute("y", shape, value))


@lru_cache(maxsize=1024)
def _keeps_order(
    variables: tuple[Var, ...], indices: tuple[Expr, ...], given: tuple[Expr, ...], shape: tuple[Expr, ...]
) -> bool:
    """Whether the elements ``indices`` of a tensor of shape ``given`` are all of them, in order; layers repeat."""
    known = inside(variables, shape)
    same_size = known.prove(product(given).eq(product(shape)))
    return same_size and known.prove(linear(indices, given, known).eq(linear(variables, shape, known)))


@lru_cache(maxsize=1024)
def _window(
    variables: tuple[Var, ...], indices: tuple[Expr, ...], given: tuple[Expr, ...], shape: tuple[Expr, ...]
) -> Expr | None:
    """Return the distance of the elements ``indices`` of a tensor of shape ``given`` from those of ``shape``."""
    known = inside(variables, shape)
    distance = known.simplify(sub(linear(indices, given, known), linear(variables, shape, known)))
    return None if set(variables).intersection(walk(distance)) else distance


def identity_copy(name: str, type_: TensorType) -> TensorFunction:
    """Return the function whose result is its argument, of ``type_``."""
    builder = Compute(name)
    source = builder.input("x", type_)

    def value(*point: Expr) -> Expr:
        return source[point]

    return builder.build(builder.compute("y", type_.dims, value))


def copy_of(call: CallDps, function: TensorFunction) -> Copy | None:
    """Return the copy that ``call`` of ``function`` makes, None if it computes anything."""
    stages = stages_of(function)
    if stages is None or len(stages) != 1 or len(call.args) != 1 or function.outputs != 1:
        return None
    (stage,) = stages
    value, point = stage.store.value, tuple(index for index in stage.store.indices if isinstance(index, Var))
    if not isinstance(value, Load) or value.predicate is not None or stage.kind not in {"elementwise", "injective"}:
        return None
    if value.buffer != function.input_buffers[0] or len(point) != len(stage.store.indices):
        return None
    if any(isinstance(item, Load) for index in value.indices for item in walk(index)):
        return None
    given = dict(zip(function.scalars, call.scalars, strict=True))
    return Copy(call.args[0], point, tuple(substitute(index, given) for index in value.indices))


def inside(variables: Sequence[Var], shape: Sequence[Expr]) -> Analyzer:
    """Return an analyzer that knows that ``variables`` is a point of ``shape``, so that no dimension is empty."""
    symbols = sorted({item for extent in shape for item in walk(extent) if isinstance(item, Var)}, key=lambda v: v.name)
    known = Analyzer()
    for symbol in symbols:
        known = known.assume(symbol >= 1)
    for var, extent in zip(variables, shape, strict=True):
        known = known.with_range(var, 0, extent)
    return known


def linear(indices: Sequence[Expr], shape: Sequence[Expr], known: Analyzer) -> Expr:
    """Return the position of the element at ``indices`` in row-major order, simplified from the outermost axis on."""
    position: Expr = Const(0)
    for index, extent in zip(indices, shape, strict=True):
        position = known.simplify(add(mul(position, extent), index))
    return position


def product(shape: Sequence[Expr]) -> Expr:
    """Return the number of elements of a tensor of ``shape``."""
    total: Expr = Const(1)
    for extent in shape:
        total = mul(total, extent)
    return total


def substitute_all(indices: Sequence[Expr], values: dict[Var, Expr]) -> tuple[Expr, ...]:
    """Return ``indices`` with variables replaced."""
    return tuple(substitute(index, values) for index in indices)
