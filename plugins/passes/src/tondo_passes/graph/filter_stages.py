"""The stages of a sliding product in transformed coordinates; see :mod:`tondo_passes.graph.minimal_filtering`.

For one tile ``t`` of ``m`` outputs along every transformed axis, and ``n = m + r - 1`` points::

    padded[.., m * t + x, .., c]        the source, zero beyond its edge; only where a tile reaches beyond it
    inputs[p.., lead.., t.., c]         B^T of the tile along one axis after the other
    product[p.., lead.., t.., o]        sum over c of inputs[p.., c] * weights[p.., c, o]
    y[..]                               A^T of the product: the elements of the tile, in the original order of axes

``lead`` are the axes of the result that no window slides along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tondo.arith import Analyzer
from tondo.ir import (
    Buffer,
    Compute,
    Const,
    Expr,
    IterVar,
    Load,
    TensorFunction,
    TensorType,
    Var,
    add,
    ceildiv,
    compare,
    dims,
    floordiv,
    floormod,
    mul,
    select,
)
from tondo_passes.graph.cook_toom import Filtering, Matrix, combine, cook_toom
from tondo_schedule.facts import SlidingAxis, SlidingProduct, read_padded


@dataclass(frozen=True, slots=True)
class _Axis:
    """A transformed axis: ``outputs`` at a time."""

    sliding: SlidingAxis
    outputs: int
    tiles: Expr

    @property
    def points(self) -> int:
        return self.outputs + self.sliding.taps - 1

    @property
    def matrices(self) -> Filtering:
        return cook_toom(self.outputs, self.sliding.taps)


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """A sliding product whose axes are transformed, ``outputs`` (by sliding axis; 1: a single tap) at a time."""

    problem: SlidingProduct
    column: IterVar
    channel: IterVar
    outputs: tuple[int, ...]

    @property
    def axes(self) -> tuple[_Axis, ...]:
        """The axes that are transformed."""
        pairs = zip(self.problem.axes, self.outputs, strict=True)
        return tuple(
            _Axis(axis, count, _simple(ceildiv(axis.row.extent, Const(count)))) for axis, count in pairs if count > 1
        )

    @property
    def lead(self) -> tuple[int, ...]:
        """The dimensions of the left operand along which nothing is transformed, the channels left out."""
        contraction = self.problem.contraction
        moved = {axis.sliding.place for axis in self.axes}
        return tuple(
            place
            for place, index in enumerate(contraction.left.indices)
            if place not in moved and index != self.channel.var
        )

    @property
    def places(self) -> tuple[int, ...]:
        """The places in the weights of: the taps of the transformed axes, channel, column."""
        wanted = [*(axis.sliding.tap.var for axis in self.axes), self.channel.var, self.column.var]
        indices = self.problem.contraction.right.indices
        return tuple(indices.index(var) for var in wanted)

    def weights(self, weights: np.ndarray) -> np.ndarray:
        """Return the constant weights in transformed coordinates: ``[p.., c, o]``, computed in float64."""
        places = self.places
        squeezed = tuple(place for place in range(weights.ndim) if place not in places)
        result = np.squeeze(weights.transpose(*places, *squeezed), tuple(range(len(places), weights.ndim)))
        shape = (*(axis.points for axis in self.axes), *result.shape[len(self.axes) :])
        made = np.empty(shape, weights.dtype)
        for channel in range(result.shape[-2]):  # one at a time: all of it in float64 would be large
            part = result[..., channel, :].astype(np.float64)
            for place, axis in enumerate(self.axes):
                matrix = np.array([[float(value) for value in row] for row in axis.matrices.taps])
                part = np.moveaxis(np.tensordot(matrix, part, (1, place)), 0, place)
            made[..., channel, :] = part
        return made

    def function(self, name: str) -> TensorFunction:
        """Return the function of (source, transformed weights) that yields the sliding product."""
        return _Builder(self, name).build()


class _Builder:
    def __init__(self, plan: FilterPlan, name: str) -> None:
        self._plan = plan
        self._axes = plan.axes
        self._points = tuple(axis.points for axis in self._axes)
        self._tiles = tuple(axis.tiles for axis in self._axes)
        self._builder = Compute(name)
        left = plan.problem.contraction.left
        rows = {axis.place: axis.row.extent for axis in plan.problem.axes}
        self._source = plan.problem.source
        self._lead = tuple(rows.get(place, left.buffer.shape[place]) for place in plan.lead)

    def build(self) -> TensorFunction:
        plan, builder = self._plan, self._builder
        dtype = plan.problem.source.dtype
        source = builder.input("x", TensorType(plan.problem.source.shape, dtype))
        shape = (*self._points, plan.channel.extent, plan.column.extent)
        weights = builder.input("w", TensorType(dims(shape), dtype))
        inputs = self._inputs(self._padded(source))
        count = len(self._points)

        def term(*index: Expr) -> Expr:
            *own, column, channel = index
            return Load(inputs, (*own, channel)) * Load(weights, (*own[:count], channel, column))

        shape = (*self._points, *self._lead, *self._tiles, plan.column.extent)
        product = builder.reduce("product", shape, (plan.channel.extent,), term)
        return builder.build(self._result(product))

    def _padded(self, source: Buffer) -> Buffer | None:
        """Return the padded source ``[lead.., rows.., c]``; None if no tile reaches beyond the edge."""
        plan = self._plan
        problem = plan.problem
        whole = all(axis.outputs == 1 or _divides(axis) for axis in self._axes)
        self._source = source
        if problem.copy is None and whole:
            return None
        lead = plan.lead
        order = (*lead, *(axis.sliding.place for axis in self._axes), self._channel_place())
        rows = tuple(
            _simple(add(mul(axis.tiles, Const(axis.outputs)), Const(axis.sliding.taps - 1))) for axis in self._axes
        )
        shape = (*self._lead, *rows, plan.channel.extent)

        def element(*index: Expr) -> Expr:
            ranges = {var: (Const(0), extent) for var, extent in zip(index, shape, strict=True) if isinstance(var, Var)}
            places = dict(zip(order, index, strict=True))
            position = [places[place] for place in range(source.rank)]
            return read_padded(source, problem.offsets, position, Analyzer(ranges))

        return self._builder.compute("padded", shape, element)

    def _channel_place(self) -> int:
        return self._plan.problem.contraction.left.indices.index(self._plan.channel.var)

    def _inputs(self, padded: Buffer | None) -> Buffer:
        """Return the tiles in transformed coordinates, one stage for each axis."""
        count = len(self._axes)
        shape = (*self._points, *self._lead, *self._tiles, self._plan.channel.extent)
        current: Buffer | None = None
        for place, axis in enumerate(self._axes):

            def element(*index: Expr, place: int = place, axis: _Axis = axis, before: Buffer | None = current) -> Expr:
                points, rest = list(index[:count]), index[count:]
                values: list[Expr] = []
                for tap in range(axis.points):
                    points[place] = Const(tap)
                    at = (*points, *rest)
                    values.append(Load(before, at) if before is not None else self._element(padded, at))
                return _chosen(index[place], axis.matrices.inputs, values)

            current = self._builder.compute(f"inputs{place}", shape, element)
        assert current is not None
        return current

    def _element(self, padded: Buffer | None, at: Sequence[Expr]) -> Expr:
        """Return element ``x..`` of tile ``t..``, where ``at`` is ``[x.., lead.., t.., c]``."""
        count = len(self._axes)
        inside, lead, tiles, channel = at[:count], at[count : -count - 1], at[-count - 1 : -1], at[-1]
        rows = [add(mul(tile, Const(axis.outputs)), x) for tile, x, axis in zip(tiles, inside, self._axes, strict=True)]
        if padded is not None:
            return Load(padded, (*lead, *rows, channel))
        places = dict(zip(self._plan.lead, lead, strict=True))
        places |= dict(zip((axis.sliding.place for axis in self._axes), rows, strict=True))
        places[self._channel_place()] = channel
        return Load(self._source, tuple(places[place] for place in range(self._source.rank)))

    def _result(self, product: Buffer) -> Buffer:
        """Return the result in its own order of axes, one stage for each axis."""
        count = len(self._axes)
        extents = [axis.outputs for axis in self._axes]
        current = product
        for place, axis in enumerate(self._axes[:-1]):
            shape = (*extents[: place + 1], *current.shape[place + 1 :])

            def element(*index: Expr, place: int = place, axis: _Axis = axis, before: Buffer = current) -> Expr:
                values = [
                    Load(before, (*index[:place], Const(point), *index[place + 1 :])) for point in range(axis.points)
                ]
                return _chosen(index[place], axis.matrices.inverse, values)

            current = self._builder.compute(f"outputs{place}", shape, element)
        stage = self._plan.problem.stage
        last = self._axes[-1]

        def final(*index: Expr) -> Expr:
            at = dict(zip(stage.store.indices, index, strict=True))
            rows = [at[axis.sliding.row.var] for axis in self._axes]
            inner = [floormod(row, Const(axis.outputs)) for row, axis in zip(rows, self._axes, strict=True)]
            tiles = [floordiv(row, Const(axis.outputs)) for row, axis in zip(rows, self._axes, strict=True)]
            sliding = {axis.place: axis.row.var for axis in self._plan.problem.axes}
            left = self._plan.problem.contraction.left.indices
            lead = [at.get(sliding.get(place, left[place]), Const(0)) for place in self._plan.lead]
            rest = (*lead, *tiles, at[self._plan.column.var])
            values = [Load(current, (*inner[: count - 1], Const(point), *rest)) for point in range(last.points)]
            return _chosen(inner[-1], last.matrices.inverse, values)

        return self._builder.compute("y", stage.output.shape, final)


def _chosen(row: Expr, matrix: Matrix, values: Sequence[Expr]) -> Expr:
    """Return row number ``row`` of ``matrix`` times ``values``."""
    result = combine(len(matrix) - 1, matrix, values)
    for place in reversed(range(len(matrix) - 1)):
        result = select(compare("eq", row, Const(place)), combine(place, matrix, values), result)
    return result


def _divides(axis: _Axis) -> bool:
    return Analyzer().divides(axis.outputs, axis.sliding.row.extent)


def _simple(extent: Expr) -> Expr:
    return Analyzer().simplify(extent)
