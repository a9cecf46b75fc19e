"""Axes, bounds and shapes that are tensors: arithmetic on small int64 vectors, emitted as operators.

What is known at import is folded on the way; what depends on data becomes new dimensions (``Site.sizes_in``). So a node
whose axes are an input still becomes operators with static axes: the input is seen as ``(kept, gone)`` per dimension,

    x[d0, d1] -> reshape [k0, g0, k1, g1]        k = 1 and g = d where the axis is named, else k = d and g = 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.ir import INT64, Const, Expr, is_const
from tondo_onnx.build.dims import static
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.contents import vector
from tondo_onnx.nodes.site import Site


def unknown(value: Value | None) -> bool:
    """Return whether an input is given and its contents are not known at import; one without elements is known."""
    return value is not None and value.numbers is None and not any(is_const(extent, 0) for extent in value.dims)


@dataclass(frozen=True, slots=True)
class Vectors:
    """Operators on vectors with one entry per dimension."""

    site: Site

    def numbers(self, items: Sequence[int]) -> Value:
        """Return a constant vector."""
        return self.site.vector(items)

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        """Return ``a`` where ``condition`` holds, else ``b``."""
        return self.site.call("where", condition, a, b)

    def positive(self, axes: Value, rank: int) -> Value:
        """Return axes counted from the front."""
        moved = self.site.call("add", axes, self.numbers([rank]))
        return self.where(self.site.call("less", axes, self.numbers([0])), moved, axes)

    def hits(self, axes: Value, rank: int) -> Value:
        """Return the truth values ``[axis, dimension]``: whether an axis is that dimension."""
        column = self.site.reshape(self.positive(axes, rank), (*axes.dims, 1))
        row = self.site.reshape(self.numbers(range(rank)), (1, rank))
        return self.site.call("equal", column, row)

    def named(self, axes: Value, rank: int) -> Value:
        """Return the truth value per dimension: whether it is one of ``axes``."""
        return self.site.call("reduce_any", self.hits(axes, rank), axes=(0,), keepdims=False)

    def spread(self, values: Value, axes: Value, rest: Value, rank: int) -> Value:
        """Return ``values`` at the dimensions ``axes``, and those of ``rest`` elsewhere."""
        hits = self.hits(axes, rank)
        placed = self.where(hits, self.site.reshape(values, (*values.dims, 1)), self.numbers([0]))
        total = self.site.call("reduce_sum", placed, axes=(0,), keepdims=False)
        return self.where(self.named(axes, rank), total, rest)

    def sizes(self, value: Value) -> tuple[Expr, ...]:
        """Return the elements of a vector as dimensions."""
        return self.site.sizes_in(value)

    def ranks(self, keep: Value) -> Value:
        """Return per dimension how many before it are kept."""
        return self.site.call("cumsum", self.site.cast(keep, INT64), axis=0, exclusive=True)

    def kept(self, shape: Value, keep: Value, count: int) -> tuple[Expr, ...]:
        """Return the ``count`` entries of ``shape`` that are kept, in order."""
        if count == 0:
            return ()
        places = self.site.reshape(self.ranks(keep), (1, *keep.dims))
        wanted = self.site.reshape(self.numbers(range(count)), (count, 1))
        here = self.site.call("logical_and", self.site.call("equal", places, wanted), keep)
        chosen = self.where(here, shape, self.numbers([0]))
        return self.sizes(self.site.call("reduce_sum", chosen, axes=(1,), keepdims=False))


def count_of(site: Site, axes: Value) -> int:
    """Return how many axes there are, which decides the rank of the result."""
    found = static(axes.dims)
    if found is None:
        site.refuse("the rank of a result depends on data")
    return found[0] if found else 1


@dataclass(frozen=True, slots=True)
class Parted:
    """A tensor with every dimension in two: kept and gone.

    Attributes:
        value: the tensor of twice the rank.
        gone: the axes of it that the named dimensions became.
        keep: truth value per dimension of the original: not named.
    """

    value: Value
    gone: tuple[int, ...]
    keep: Value


def parted(site: Site, x: Value, axes: Value, *, all_if_none: bool) -> Parted:
    """Part ``x`` by run-time ``axes``; without any, all dimensions count as named if ``all_if_none``."""
    vectors = Vectors(site)
    named = vectors.named(vector(site, axes), x.rank)
    if all_if_none and not isinstance(axes.dims[0] if axes.rank else Const(1), Const):
        some = site.call("reduce_any", named, axes=(0,), keepdims=True)
        named = site.call("logical_or", named, site.call("logical_not", some))
    shape, ones = site.sizes_of(x), vectors.numbers([1] * x.rank)
    kept = vectors.sizes(vectors.where(named, ones, shape))
    gone = vectors.sizes(vectors.where(named, shape, ones))
    pairs = [size for pair in zip(kept, gone, strict=True) for size in pair]
    return Parted(site.reshape(x, pairs), tuple(range(1, 2 * x.rank, 2)), site.call("logical_not", named))


def without(site: Site, x: Value, keep: Value, result: Value, axes: Value) -> Value:
    """Return ``result`` in the shape of the dimensions of ``x`` that are kept."""
    count = x.rank - count_of(site, axes)
    if count < 0:
        site.invalid("there are more axes than dimensions")
    return site.reshape(result, Vectors(site).kept(site.sizes_of(x), keep, count))


def around_axis(site: Site, x: Value, axis: Value) -> Value:
    """Return ``x`` as ``[before, along, after]`` of a run-time axis."""
    vectors = Vectors(site)
    place = vectors.positive(vector(site, axis), x.rank)
    dims, order, ones = site.sizes_of(x), vectors.numbers(range(x.rank)), vectors.numbers([1] * x.rank)
    parts = [
        site.call("reduce_prod", vectors.where(site.call(test, order, place), dims, ones), axes=(0,), keepdims=True)
        for test in ("less", "equal", "greater")
    ]
    return site.reshape(x, vectors.sizes(site.call("concat", *parts, axis=0)))
