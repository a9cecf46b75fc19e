"""Results as long as data says: NonMaxSuppression, Unique."""

from __future__ import annotations

from typing import Final

from tondo.ir import INT64, Expr, TensorType, is_const
from tondo_onnx.build.dims import plain
from tondo_onnx.build.values import Value
from tondo_onnx.nodes import contents
from tondo_onnx.nodes.loop import new_size
from tondo_onnx.nodes.site import Site, Versions, since
from tondo_onnx.nodes.sorting import is_sorted_by_runtime


def _scalar(site: Site, position: int, default: float, like: Value | None = None) -> Value:
    """Return an input of one element as a scalar, ``default`` if it is left out or empty."""
    value = site.optional(position)
    kind = INT64 if like is None else like.dtype
    if value is None or any(is_const(extent, 0) for extent in value.dims):
        return site.scalar(default, kind)
    return site.reshape(site.cast(value, kind), ())


def _non_max_suppression(site: Site) -> Value:
    """Convert NonMaxSuppression: the boxes of a class by falling score, those that overlap a kept one left out."""
    boxes, scores = site.arg(0), site.arg(1)
    if boxes.rank != 3 or scores.rank != 3:
        site.invalid("boxes and scores must have three dimensions")
    batches, classes, count = scores.dims
    limit, threshold = _scalar(site, 2, 0), _scalar(site, 3, 0.0, boxes)
    ranked, order = site.call_many("top_k", (scores,), 2, k=plain(count), axis=2, largest=True)
    lowest = site.optional(4)
    if lowest is None:
        valid = site.fill((batches, classes, count), True)
    else:
        valid = site.call("greater", ranked, _scalar(site, 4, 0.0, scores))
    keep = site.call(
        "suppress", boxes, order, valid, threshold, limit, centered=site.attributes.flag("center_point_box")
    )
    total = site.dims.product((batches, classes, count))
    found, amount = contents.positions(site, site.reshape(keep, (total,)))
    box = site.call("gather", site.reshape(order, (total,)), found, axis=0)
    group = site.call("div", found, _size(site, count))
    batch, kind = site.call("div", group, _size(site, classes)), site.call("mod", group, _size(site, classes))
    return site.reshape(site.call("stack", batch, kind, box, axis=1), (amount, 3))


def _size(site: Site, value: Expr) -> Value:
    return site.reshape(site.builder.sizes([value]), ())


def _unique(site: Site) -> tuple[Value, ...]:
    """Convert Unique: slices along an axis (elements of the flat input without one) that differ from all before them.

    Few of them are compared with one another, which takes steps by the square of their number; more are sorted by the
    runtime.
    """
    x = site.arg(0)
    number = site.axis(site.attributes.integer("axis"), x.rank) if "axis" in site.attributes else None
    count = site.dims.product(x.dims) if number is None else x.dims[number]
    if is_sorted_by_runtime(x, count):
        return _sorted_unique(site, x, number, count)
    if "axis" in site.attributes:
        axis = site.axis(site.attributes.integer("axis"), x.rank)
        order = (axis, *(i for i in range(x.rank) if i != axis))
        turned = site.call("transpose", x, perm=order)
    else:
        axis, order = 0, (0,)
        turned = site.reshape(x, (site.dims.product(x.dims),))
    count, rest = turned.dims[0], turned.dims[1:]
    width = site.dims.product(rest)
    rows = site.reshape(turned, (count, width))
    left, right = site.reshape(rows, (count, 1, width)), site.reshape(rows, (1, count, width))
    same = site.call("reduce_all", site.call("equal", left, right), axes=(2,), keepdims=False)
    numbers = site.call("range", count=plain(count), dtype=INT64)
    own, other = site.reshape(numbers, (count, 1)), site.reshape(numbers, (1, count))
    # The first equal slice stands for all: the lowest position where `same` holds.
    first = site.call("reduce_min", site.call("where", same, other, _size(site, count)), axes=(1,), keepdims=False)
    is_first = site.call("equal", first, numbers)
    ranks = _ranks(site, rows, left, right, is_first) if site.attributes.flag("sorted", True) else None
    if ranks is None:
        ranks = site.call("cumsum", site.cast(is_first, INT64), axis=0, exclusive=True)
    found, amount = contents.positions(site, is_first)
    places = site.call("gather", ranks, found, axis=0)
    empty = site.fill((amount,), 0, INT64)
    indices = site.call("scatter_elements", empty, places, found, axis=0)
    inverse = site.call("gather", ranks, first, axis=0)
    hits = site.cast(site.call("equal", own, site.reshape(first, (1, count))), INT64)
    counts = site.call("gather", site.call("reduce_sum", hits, axes=(1,), keepdims=False), indices, axis=0)
    values = site.call("gather", turned, indices, axis=0)
    if "axis" in site.attributes:
        back = tuple(order.index(i) for i in range(x.rank))
        values = site.call("transpose", values, perm=back)
    return values, indices, inverse, counts


def _sorted_unique(site: Site, x: Value, axis: int | None, count: Expr) -> tuple[Value, ...]:
    amount = new_size(site, "unique")
    shape = (amount,) if axis is None else tuple(amount if i == axis else size for i, size in enumerate(x.dims))
    vector = TensorType((amount,), INT64)
    kinds = (TensorType(shape, x.dtype), vector, TensorType((count,), INT64), vector)
    attrs = {"axis": axis, "ordered": site.attributes.flag("sorted", True)}
    return site.builder.packed("tondo.sort.unique", (x,), kinds, attrs)


def _ranks(site: Site, rows: Value, left: Value, right: Value, is_first: Value) -> Value:
    """Return per slice how many different ones are less, compared element by element from the front."""
    count, width = rows.dims
    differs = site.call("not_equal", left, right)
    numbers = site.reshape(site.call("range", count=plain(width), dtype=INT64), (1, 1, width))
    end = _size(site, width)
    where = site.call("reduce_min", site.call("where", differs, numbers, end), axes=(2,), keepdims=True)
    deciding = site.call("equal", numbers, where)
    greater = site.call("logical_and", deciding, site.call("less", right, left))
    less = site.call("reduce_any", greater, axes=(2,), keepdims=False)
    counted = site.call("logical_and", less, site.reshape(is_first, (1, count)))
    return site.call("reduce_sum", site.cast(counted, INT64), axes=(1,), keepdims=False)


CONVERTERS: Final[dict[str, Versions]] = {
    "NonMaxSuppression": since(_non_max_suppression),
    "Unique": since(_unique),
}
