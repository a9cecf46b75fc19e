"""Operators that change the shape and not the elements, and those that read shapes."""

from __future__ import annotations

from typing import Final

from tondo.ir import Const, Expr, is_const
from tondo_onnx.build.values import Value
from tondo_onnx.nodes import contents
from tondo_onnx.nodes.measures import Vectors, count_of, unknown, without
from tondo_onnx.nodes.site import Site, Versions, since


def _shape(site: Site) -> Value:
    dims = site.arg(0).dims
    start = site.attributes.integer("start", 0)
    end = site.attributes.integer("end") if "end" in site.attributes else None
    return site.builder.sizes(dims[slice(start, end)], f"{site.arg(0).hint}_shape")


def _size(site: Site) -> Value:
    vector = site.builder.sizes([site.dims.product(site.arg(0).dims)], f"{site.arg(0).hint}_size")
    return site.reshape(vector, ())


def _reshape_attribute(site: Site) -> Value:
    shape = site.attributes.ints("shape")
    return site.arg(0) if shape is None else _reshaped(site, tuple(Const(size) for size in shape))


def _reshape(site: Site) -> Value:
    x, shape = site.arg(0), site.arg(1)
    if not contents.is_known(shape):
        keep_zeros = site.attributes.flag("allowzero")
        return contents.as_shape(site, x, contents.resolved_shape(site, x, shape, keep_zeros=keep_zeros))
    return _reshaped(site, site.sizes(1))


def _reshaped(site: Site, target: tuple[Expr, ...]) -> Value:
    x = site.arg(0)
    keep_zeros = site.attributes.flag("allowzero")
    shape: list[Expr] = []
    for axis, size in enumerate(target):
        if is_const(size, 0) and not keep_zeros:
            if axis >= x.rank:
                site.invalid(f"dimension {axis} of the shape copies one that the input of rank {x.rank} lacks")
            shape.append(x.dims[axis])
        else:
            shape.append(size)
    open_axes = [axis for axis, size in enumerate(shape) if is_const(size, -1)]
    if len(open_axes) > 1:
        site.invalid("more than one dimension of the shape is -1")
    for axis in open_axes:
        shape[axis] = _remaining(site, x, shape, axis)
    if not open_axes and site.builder.rebatched:
        shape = _rebatched(site, x, shape)
    return site.reshape(x, shape)


def _remaining(site: Site, x: Value, shape: list[Expr], axis: int) -> Expr:
    others = [size for position, size in enumerate(shape) if position != axis]
    # equal sizes are taken out one by one, so that nothing has to be divided in the usual cases
    left = list(x.dims)
    rest: list[Expr] = []
    for size in others:
        match = next((i for i, own in enumerate(left) if site.dims.same(own, size)), None)
        if match is None:
            rest.append(size)
        else:
            del left[match]
    if any(is_const(size, 0) for size in rest):
        site.invalid("the dimension -1 cannot be worked out beside one of size 0")
    return site.dims.quotient(left, rest)


def _rebatched(site: Site, x: Value, shape: list[Expr]) -> list[Expr]:
    """Return the shape with its first dimension made to fit, where the user made the batch of the model another one.

    Models that were exported for a fixed batch write it into constant shapes.
    """
    if not shape or site.dims.same(site.dims.product(shape), site.dims.product(x.dims)):
        return shape
    first = site.dims.exact_quotient(x.dims, shape[1:])
    return shape if first is None else [first, *shape[1:]]


def _flatten(site: Site) -> Value:
    x = site.arg(0)
    axis = (
        site.axis(site.attributes.integer("axis", 1), x.rank + 1)
        if site.attributes.integer("axis", 1) >= 0
        else (site.axis(site.attributes.integer("axis"), x.rank))
    )
    return site.reshape(x, (site.dims.product(x.dims[:axis]), site.dims.product(x.dims[axis:])))


def _squeeze(site: Site) -> Value:
    x, given = site.arg(0), site.optional(1)
    if given is not None and unknown(given):
        vectors = Vectors(site)
        keep = site.call("logical_not", vectors.named(contents.vector(site, given), x.rank))
        return without(site, x, keep, x, given)
    axes = site.axes(1)
    if axes is None:
        axes = tuple(axis for axis, size in enumerate(x.dims) if is_const(size, 1))
    return site.call("squeeze", x, axes=tuple(site.axis(axis, x.rank) for axis in axes))


def _unsqueeze_unknown(site: Site, x: Value, axes: Value) -> Value:
    """Return ``x`` with dimensions of size 1 at axes that depend on data."""
    vectors, rank = Vectors(site), x.rank + count_of(site, axes)
    if x.rank == 0:
        return site.reshape(x, (1,) * rank)
    named = vectors.named(contents.vector(site, axes), rank)
    source = vectors.ranks(site.call("logical_not", named))
    inside = site.call("min", source, vectors.numbers([x.rank - 1]))
    own = site.call("gather", site.sizes_of(x), inside, axis=0)
    return site.reshape(x, vectors.sizes(vectors.where(named, vectors.numbers([1]), own)))


def _unsqueeze(site: Site) -> Value:
    x, given = site.arg(0), site.optional(1)
    if given is not None and unknown(given):
        return _unsqueeze_unknown(site, x, given)
    axes = site.axes(1)
    if axes is None:
        site.invalid("the axes are missing")
    rank = x.rank + len(axes)
    return site.call("unsqueeze", x, axes=tuple(sorted(site.axis(axis, rank) for axis in axes)))


def _transpose(site: Site) -> Value:
    x = site.arg(0)
    perm = site.attributes.ints("perm")
    order = tuple(reversed(range(x.rank))) if perm is None else tuple(site.axis(axis, x.rank) for axis in perm)
    if sorted(order) != list(range(x.rank)):
        site.invalid(f"perm {perm} does not fit rank {x.rank}")
    return x if order == tuple(range(x.rank)) else site.call("transpose", x, perm=order)


CONVERTERS: Final[dict[str, Versions]] = {
    "Shape": since(_shape),
    "Size": since(_size),
    "Reshape": since(1, _reshape_attribute, 5, _reshape),
    "Flatten": since(_flatten),
    "Squeeze": since(_squeeze),
    "Unsqueeze": since(_unsqueeze),
    "Transpose": since(_transpose),
}
