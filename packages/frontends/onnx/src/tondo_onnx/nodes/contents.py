"""Arithmetic on integer tensors that decide shapes and are known at run time only.

What these functions compute are tensors of the graph; :meth:`Site.sizes_in` makes dimensions of their elements.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tondo.ir import BOOL, FLOAT64, INT64, Const, Expr
from tondo_onnx.build.dims import plain, plains
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Site


def is_known(*values: Value | None) -> bool:
    """Return whether the elements of all ``values`` are numbers or sizes."""
    return all(value is None or value.elements is not None for value in values)


def vector(site: Site, value: Value) -> Value:
    """Return an integer tensor as an int64 vector."""
    wide = site.cast(value, INT64)
    return wide if wide.rank == 1 else site.reshape(wide, (site.dims.product(wide.dims),))


def number(site: Site, value: int) -> Value:
    """Return an int64 scalar."""
    return site.scalar(value, INT64)


def between(site: Site, value: Value, low: Value, high: Value) -> Value:
    """Return ``value`` limited to ``low`` and ``high``; ``low`` wins where they cross."""
    return site.call("max", site.call("min", value, high), low)


def ceil_quotient(site: Site, above: Value, below: Value) -> Value:
    """Return ``above / below`` rounded up for an ``above`` that is not negative and a positive ``below``."""
    less_one = site.call("sub", below, number(site, 1))
    return site.call("div", site.call("add", above, less_one), below)


def resolved_shape(site: Site, x: Value, shape: Value, *, keep_zeros: bool) -> tuple[Expr, ...]:
    """Return the dimensions to which ``shape`` reshapes ``x``; its elements may be -1 (the rest) and 0 (as is)."""
    wanted = vector(site, shape)
    (count,) = wanted.dims
    if not isinstance(count, Const):
        site.refuse("the rank of a result depends on data")
    rank = int(count.value)
    if not keep_zeros:
        own = site.builder.sizes([*x.dims[:rank], *[Const(1)] * (rank - x.rank)], f"{x.hint}_shape")
        wanted = site.call("where", site.call("equal", wanted, number(site, 0)), own, wanted)
    is_rest = site.call("equal", wanted, number(site, -1))
    others = site.call("where", is_rest, number(site, 1), wanted)
    taken = site.call("max", site.call("reduce_prod", others, keepdims=False), number(site, 1))
    total = site.reshape(site.builder.sizes([site.dims.product(x.dims)], f"{x.hint}_size"), ())
    return site.sizes_in(site.call("where", is_rest, site.call("div", total, taken), wanted))


def as_shape(site: Site, x: Value, shape: Sequence[Expr]) -> Value:
    """Return ``x`` reshaped; that the elements fill the shape is checked at run time."""
    flat = site.reshape(x, (site.dims.product(x.dims),))
    return site.reshape(site.builder.match(flat, (site.dims.product(shape),)), shape)


def sliced(site: Site, x: Value, starts: Value, ends: Value, axes: Value | None, steps: Value | None) -> Value:
    """Return the slice of ``x`` by positions that depend on contents, with numpy's rules for them."""
    begin, end = vector(site, starts), vector(site, ends)
    (count,) = begin.dims
    if not isinstance(count, Const):
        site.refuse("the number of axes depends on data")
    step = site.builder.constant(np.ones(int(count.value), np.int64), "steps") if steps is None else vector(site, steps)
    known = np.arange(int(count.value)) if axes is None else axes.numbers
    if axes is None or known is not None:
        assert known is not None
        chosen = tuple(site.axis(int(axis), x.rank) for axis in known.reshape(-1))
    else:
        begin, end, step = _spread(site, x, vector(site, axes), (begin, end, step))
        chosen = tuple(range(x.rank))
    return _cut(site, x, chosen, begin, end, step)


def _spread(site: Site, x: Value, axes: Value, values: tuple[Value, Value, Value]) -> tuple[Value, Value, Value]:
    """Return starts, ends and steps of all axes of ``x``, from those of the ``axes`` that are known at run time."""
    rank = number(site, x.rank)
    places = site.call("where", site.call("less", axes, number(site, 0)), site.call("add", axes, rank), axes)
    row = site.builder.constant(np.arange(x.rank, dtype=np.int64), "axes")
    hit = site.call("equal", site.call("unsqueeze", places, axes=(1,)), row)
    any_hit = site.call("reduce_any", hit, axes=(0,), keepdims=False)

    def spread(value: Value, other: Value) -> Value:
        cells = site.call("where", hit, site.call("unsqueeze", value, axes=(1,)), number(site, 0))
        return site.call("where", any_hit, site.call("reduce_sum", cells, axes=(0,), keepdims=False), other)

    begin, end, step = values
    sizes = site.builder.sizes(x.dims, f"{x.hint}_shape")
    return spread(begin, number(site, 0)), spread(end, sizes), spread(step, number(site, 1))


def _cut(site: Site, x: Value, axes: Sequence[int], begin: Value, end: Value, step: Value) -> Value:
    zero = number(site, 0)
    sizes = site.builder.sizes([x.dims[axis] for axis in axes], f"{x.hint}_sizes")
    last = site.call("sub", sizes, number(site, 1))
    up = site.call("greater", step, zero)
    low = site.call("where", up, zero, number(site, -1))
    high = site.call("where", up, sizes, last)

    def place(value: Value) -> Value:
        counted = site.call("where", site.call("less", value, zero), site.call("add", value, sizes), value)
        return between(site, counted, low, high)

    first, stop = place(begin), place(end)
    ahead, behind = site.call("sub", stop, first), site.call("sub", first, stop)
    span = site.call("max", site.call("where", up, ahead, behind), zero)
    counts = site.sizes_in(ceil_quotient(site, span, site.call("abs", step)))
    first = site.call("max", first, zero)
    known = step.numbers
    if known is not None:
        positions = site.sizes_in(first)
        return site.call(
            "slice", x, axes=tuple(axes), starts=plains(positions), sizes=plains(counts),
            steps=tuple(int(item) for item in known),
        )  # fmt: skip
    for i, axis in enumerate(axes):
        indices = site.call("range", start=0, step=1, count=plain(counts[i]), dtype=INT64)
        scaled = site.call("mul", indices, _element(site, step, i))
        x = site.call("gather", x, site.call("add", scaled, _element(site, first, i)), axis=axis)
    return x


def _element(site: Site, value: Value, index: int) -> Value:
    part = site.call("slice", value, axes=(0,), starts=(index,), ends=(index + 1,), steps=(1,))
    return site.reshape(part, ())


def counted(site: Site, start: Value, limit: Value, step: Value) -> Value:
    """Return the range from ``start`` to ``limit`` by ``step``, all of one type and known at run time."""
    kind = start.dtype
    start, limit, step = (site.reshape(value, ()) for value in (start, limit, step))
    if kind.is_float:
        wide = [site.cast(value, FLOAT64) for value in (start, limit, step)]
        quotient = site.call("ceil", site.call("div", site.call("sub", wide[1], wide[0]), wide[2]))
        amount = site.cast(site.call("relu", quotient), INT64)
    else:
        begin, end, by = (site.cast(value, INT64) for value in (start, limit, step))
        up = site.call("greater", by, number(site, 0))
        ahead, behind = site.call("sub", end, begin), site.call("sub", begin, end)
        span = site.call("max", site.call("where", up, ahead, behind), number(site, 0))
        amount = ceil_quotient(site, span, site.call("abs", by))
    (count,) = site.sizes_in(amount)
    turns = site.cast(site.call("range", start=0, step=1, count=plain(count), dtype=INT64), kind)
    return site.call("add", start, site.call("mul", turns, step))


def positions(site: Site, mask: Value) -> tuple[Value, Expr]:
    """Return the positions of the elements of a boolean vector that are true, and how many there are."""
    flags = site.cast(mask, INT64)
    total = site.call("reduce_sum", flags, keepdims=False)
    (count,) = site.sizes_in(total)
    places = site.call("cumsum", flags, axis=0, exclusive=True)
    # What is not wanted is sent behind the end, where it is dropped.
    targets = site.call("where", mask, places, total)
    numbers = site.call("range", start=0, step=1, count=plain(mask.dims[0]), dtype=INT64)
    empty = site.fill((count,), 0, INT64)
    return site.call("scatter_elements", empty, targets, numbers, axis=0), count


def nonzero(site: Site, x: Value) -> Value:
    """Return the indices of the elements of ``x`` that are not zero, ``[rank, count]``."""
    mask = x if x.dtype == BOOL else site.cast(x, BOOL)
    flat = site.reshape(mask, (site.dims.product(x.dims),))
    found, count = positions(site, flat)
    if x.rank == 0:
        return site.fill((Const(0), count), 0, INT64)
    rows: list[Value] = []
    for size in reversed(x.dims[1:]):
        extent = site.reshape(site.builder.sizes([size], "extent"), ())
        rows.append(site.call("mod", found, extent))
        found = site.call("div", found, extent)
    rows.append(found)
    return site.call("stack", *reversed(rows), axis=0)
