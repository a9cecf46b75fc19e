"""The stages of a sliding product in transformed coordinates; see :mod:`tondo_passes.graph.minimal_filtering`.

For one tile ``t`` of ``m`` outputs along every transformed axis, and ``n = m + r - 1`` points::

    padded[.., m * t + x, .., c]        the source, zero beyond its edge; only where a tile reaches beyond it
    inputs[p.., lead.., t.., g, c]      B^T of the tile along one axis after the other
    product[p.., lead.., t.., g, o]     sum over c of inputs[p.., g, c] * weights[p.., g, c, o]
    y[..]                               A^T of the product: the elements of the tile, in the original order of axes

``lead`` are the axes of the result that no window slides along, ``g`` is the group, if there are groups. The columns of
all groups are one axis of ``y``.
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
    walk,
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
    group: IterVar | None = None

    @property
    def groups(self) -> tuple[Expr, ...]:
        """The number of groups, if there is an axis for them."""
        return () if self.group is None else (self.group.extent,)

    @property
    def channel_place(self) -> int:
        """The dimension of the left operand that the channels index."""
        indices = self.problem.contraction.left.indices
        return next(place for place, index in enumerate(indices) if self.channel.var in set(walk(index)))

    @property
    def result(self) -> tuple[Expr, ...]:
        """The shape of the result: that of the product, the columns of all groups as one axis."""
        stage = self.problem.stage
        pairs = zip(stage.store.indices, stage.output.shape, strict=True)
        every = [
            (index, mul(extent, *self.groups) if self.groups and index == self.column.var else extent)
            for index, extent in pairs
        ]
        return tuple(extent for index, extent in every if self.group is None or index != self.group.var)

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
            for place in range(len(contraction.left.indices))
            if place not in moved and place != self.channel_place
        )

    @property
    def places(self) -> tuple[int, ...]:
        """The places in the weights of: the taps of the transformed axes, channel, column (of all groups)."""
        wanted = [*(axis.sliding.tap.var for axis in self.axes), self.channel.var, self.column.var]
        indices = self.problem.contraction.right.indices
        return tuple(next(i for i, index in enumerate(indices) if var in set(walk(index))) for var in wanted)

    def weights(self, weights: np.ndarray) -> np.ndarray:
        """Return the constant weights in transformed coordinates: ``[p.., g, c, o]``, computed in float64."""
        places = self.places
        others = tuple(place for place in range(weights.ndim) if place not in places)
        shape = tuple(int(weights.shape[place]) for place in places)
        taps, channels, columns = shape[:-2], shape[-2], shape[-1]
        plain = weights.transpose(*places, *others).reshape(shape)
        if self.group is not None:
            assert isinstance(self.group.extent, Const)
            groups = int(self.group.extent.value)
            plain = np.moveaxis(plain.reshape(*taps, channels, groups, columns // groups), -2, -3)
        made = np.empty((*(axis.points for axis in self.axes), *plain.shape[len(taps) :]), weights.dtype)
        for channel in range(channels):  # one at a time: all of it in float64 would be large
            part = plain[..., channel, :].astype(np.float64)
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
        shape = (*self._points, *plan.groups, plan.channel.extent, plan.column.extent)
        weights = builder.input("w", TensorType(dims(shape), dtype))
        inputs = self._inputs(self._padded(source))
        count, tiles = len(self._points), len(self._points) + len(self._lead) + len(self._tiles)

        def term(*index: Expr) -> Expr:
            *own, column, channel = index
            return Load(inputs, (*own, channel)) * Load(weights, (*own[:count], *own[tiles:], channel, column))

        shape = (*self._points, *self._lead, *self._tiles, *plan.groups, plan.column.extent)
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
        order = (*lead, *(axis.sliding.place for axis in self._axes), plan.channel_place)
        rows = tuple(
            _simple(add(mul(axis.tiles, Const(axis.outputs)), Const(axis.sliding.taps - 1))) for axis in self._axes
        )
        shape = (*self._lead, *rows, mul(plan.channel.extent, *plan.groups) if plan.groups else plan.channel.extent)

        def element(*index: Expr) -> Expr:
            ranges = {var: (Const(0), extent) for var, extent in zip(index, shape, strict=True) if isinstance(var, Var)}
            places = dict(zip(order, index, strict=True))
            position = [places[place] for place in range(source.rank)]
            return read_padded(source, problem.offsets, position, Analyzer(ranges))

        return self._builder.compute("padded", shape, element)

    def _inputs(self, padded: Buffer | None) -> Buffer:
        """Return the tiles in transformed coordinates, one stage for each axis."""
        count = len(self._axes)
        shape = (*self._points, *self._lead, *self._tiles, *self._plan.groups, self._plan.channel.extent)
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
        """Return element ``x..`` of tile ``t..``, where ``at`` is ``[x.., lead.., t.., g, c]``."""
        count, ahead = len(self._axes), len(self._axes) + len(self._lead)
        inside, lead, tiles, (*group, channel) = (
            at[:count],
            at[count:ahead],
            at[ahead : ahead + count],
            at[ahead + count :],
        )
        if group:
            channel = add(mul(group[0], self._plan.channel.extent), channel)
        rows = [add(mul(tile, Const(axis.outputs)), x) for tile, x, axis in zip(tiles, inside, self._axes, strict=True)]
        if padded is not None:
            return Load(padded, (*lead, *rows, channel))
        places = dict(zip(self._plan.lead, lead, strict=True))
        places |= dict(zip((axis.sliding.place for axis in self._axes), rows, strict=True))
        places[self._plan.channel_place] = channel
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
        plan, last = self._plan, self._axes[-1]
        group, column = plan.group, plan.column
        stored = [item for item in plan.problem.stage.store.indices if group is None or item != group.var]

        def final(*index: Expr) -> Expr:
            at = dict(zip(stored, index, strict=True))
            own = [at[column.var]]
            if group is not None:
                own = [floordiv(own[0], column.extent), floormod(own[0], column.extent)]
            rows = [at[axis.sliding.row.var] for axis in self._axes]
            inner = [floormod(row, Const(axis.outputs)) for row, axis in zip(rows, self._axes, strict=True)]
            tiles = [floordiv(row, Const(axis.outputs)) for row, axis in zip(rows, self._axes, strict=True)]
            sliding = {axis.place: axis.row.var for axis in plan.problem.axes}
            left = plan.problem.contraction.left.indices
            lead = [at.get(sliding.get(place, left[place]), Const(0)) for place in plan.lead]
            rest = (*lead, *tiles, *own)
            values = [Load(current, (*inner[: count - 1], Const(point), *rest)) for point in range(last.points)]
            return _chosen(inner[-1], last.matrices.inverse, values)

        return self._builder.compute("y", plan.result, final)


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
