"""Slice, Split, Concat, Pad, Expand, Tile, Trilu, Compress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from tondo.ir import BOOL, INT64, Const, Expr, Var, ceildiv, is_const, maximum, walk
from tondo_onnx.build.dims import plain, plains
from tondo_onnx.build.values import Value
from tondo_onnx.nodes import contents
from tondo_onnx.nodes.agreement import Agreement
from tondo_onnx.nodes.measures import Vectors, count_of, unknown
from tondo_onnx.nodes.site import Site, Versions, since

_HUGE: Final = 1 << 31
_MODES: Final = frozenset({"constant", "reflect", "edge", "wrap"})


def _slice_attributes(site: Site) -> Value:
    starts, ends = site.attributes.ints("starts"), site.attributes.ints("ends")
    if starts is None or ends is None:
        site.invalid("starts or ends are missing")
    axes = site.attributes.ints("axes") or tuple(range(len(starts)))
    return _sliced(site, [Const(item) for item in starts], [Const(item) for item in ends], axes, [1] * len(starts))


def _slice_inputs(site: Site) -> Value:
    if not contents.is_known(*site.inputs[1:]):
        return contents.sliced(site, site.arg(0), site.arg(1), site.arg(2), site.optional(3), site.optional(4))
    starts, ends = site.sizes(1), site.sizes(2)
    axes = tuple(range(len(starts))) if site.optional(3) is None else site.ints(3)
    steps = (1,) * len(starts) if site.optional(4) is None else site.ints(4)
    return _sliced(site, starts, ends, axes, steps)


def _sliced(
    site: Site, starts: Sequence[Expr], ends: Sequence[Expr], axes: Sequence[int], steps: Sequence[int]
) -> Value:
    x = site.arg(0)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        site.invalid("starts, ends, axes and steps have different lengths")
    if not starts:
        return x
    if 0 in steps:
        site.invalid("a step is 0")
    chosen = tuple(site.axis(axis, x.rank) for axis in axes)
    if len(set(chosen)) != len(chosen):
        site.invalid("an axis is named twice")
    bounds = [
        (_start(site, start, x.dims[axis], step), _end(site, end, x.dims[axis], step))
        for start, end, axis, step in zip(starts, ends, chosen, steps, strict=True)
    ]
    kept = [i for i, (begin, end) in enumerate(bounds) if not (begin is None and end is None and steps[i] == 1)]
    if not kept:
        return x
    return site.call(
        "slice", x, axes=tuple(chosen[i] for i in kept), steps=tuple(steps[i] for i in kept),
        starts=tuple(bounds[i][0] for i in kept), ends=tuple(bounds[i][1] for i in kept),
    )  # fmt: skip


def _start(site: Site, start: Expr, size: Expr, step: int) -> int | Expr | None:
    if isinstance(start, Const):
        value = int(start.value)
        if step > 0 and (value == 0 or (value < 0 and is_const(size) and -value >= int(_value(size)))):
            return None
        return None if step < 0 and (value >= _HUGE or value == -1) else value
    return _position(site, start, size)


def _end(site: Site, end: Expr, size: Expr, step: int) -> int | Expr | None:
    if isinstance(end, Const):
        value = int(end.value)
        if step > 0 and value >= _HUGE:
            return None
        if step > 0 and isinstance(size, Const) and value >= int(size.value):
            return None
        if step < 0 and (value <= -_HUGE or (isinstance(size, Const) and value < -int(size.value))):
            return None
        return value
    return None if step > 0 and site.dims.truth(end >= size) else _position(site, end, size)


def _value(size: Expr) -> int:
    return int(size.value) if isinstance(size, Const) else 0


def _position(site: Site, value: Expr, size: Expr) -> int | Expr:
    """Return a symbolic bound as a position that is not negative."""
    if site.dims.nonnegative(value):
        return plain(value)
    if site.dims.truth(value < 0):
        return plain(site.dims.simplify(maximum(value + size, Const(0))))
    return plain(value)


# ------------------------------------------------------------------------------------------ split and join


def _split(site: Site) -> tuple[Value, ...]:
    x = site.arg(0)
    axis = site.axis(site.attributes.integer("axis", 0), x.rank)
    size, count = x.dims[axis], len(site.outputs)
    if "split" in site.attributes:
        parts: tuple[Expr, ...] = tuple(Const(item) for item in site.attributes.ints("split") or ())
    elif site.optional(1) is not None:
        parts = site.sizes(1)
    else:
        number = site.attributes.integer("num_outputs", count)
        if number != count:
            site.invalid(f"num_outputs is {number}, it has {count} outputs")
        parts = _equal_parts(site, size, count)
    if len(parts) < count:
        site.invalid(f"{len(parts)} parts for {count} outputs")
    results: list[Value] = []
    begin: Expr = Const(0)
    for part in parts[:count]:
        end = site.dims.simplify(begin + part)
        whole = is_const(begin, 0) and site.dims.same(end, size)
        results.append(
            x if whole else site.call("slice", x, axes=(axis,), starts=(plain(begin),), ends=(plain(end),), steps=(1,))
        )
        begin = end
    return tuple(results)


def _equal_parts(site: Site, size: Expr, count: int) -> tuple[Expr, ...]:
    exact = site.dims.exact_quotient([size], [Const(count)])
    if exact is not None:
        return (exact,) * count
    part = site.dims.simplify(ceildiv(size, Const(count)))
    return (*[part] * (count - 1), site.dims.simplify(size - part * (count - 1)))


def _concat_old(site: Site) -> Value:
    return _concatenated(site, site.attributes.integer("axis", 1))


def _concat(site: Site) -> Value:
    return _concatenated(site, site.attributes.integer("axis"))


def _concatenated(site: Site, axis: int) -> Value:
    args = site.args
    if len(args) == 1:
        return args[0]
    joined = site.axis(axis, args[0].rank)
    if len({arg.rank for arg in args}) > 1:
        site.invalid(f"inputs have the ranks {', '.join(str(arg.rank) for arg in args)}")
    agreement = Agreement(site, args)
    for other in range(args[0].rank):
        if other != joined:
            agreement.equal(*[(position, other) for position in range(len(args))])
    return site.call("concat", *agreement.values(), axis=joined)


# ------------------------------------------------------------------------------------------ pad, expand, tile


def _pad_old(site: Site) -> Value:
    return _padded_by(site, site.attributes.ints("paddings"))


def _pad_attributes(site: Site) -> Value:
    return _padded_by(site, site.attributes.ints("pads"))


def _padded_by(site: Site, pads: tuple[int, ...] | None) -> Value:
    if pads is None:
        site.invalid("the pads are missing")
    return _padded(site, tuple(Const(item) for item in pads), None, site.attributes.number("value", 0.0))


def _pad_unknown(site: Site) -> Value:
    """Return the input with as many elements around it as data says."""
    x, vectors, given = site.arg(0), Vectors(site), site.optional(3)
    rank, pads = x.rank, contents.vector(site, site.arg(1))
    count = rank if given is None else count_of(site, given)
    axes = vectors.numbers(range(rank)) if given is None else contents.vector(site, given)
    nothing = vectors.numbers([0] * rank)
    ends = [
        site.call("slice", pads, axes=(0,), starts=(side * count,), ends=((side + 1) * count,), steps=(1,))
        for side in range(2)
    ]
    before, after = (vectors.spread(part, axes, nothing, rank) for part in ends)
    shape = site.call("add", site.sizes_of(x), site.call("add", before, after))
    value, mode = site.optional(2), site.attributes.text("mode", "constant")
    if mode not in _MODES:
        site.invalid(f"mode is '{mode}'")
    filler = [] if value is None or mode != "constant" else [site.reshape(site.cast(value, x.dtype), ())]
    return site.call("pad_at", x, before, *filler, shape=plains(vectors.sizes(shape)), mode=mode)


def _pad(site: Site) -> Value:
    if not contents.is_known(site.arg(1)) or unknown(site.optional(2)) or unknown(site.optional(3)):
        return _pad_unknown(site)
    value = 0 if site.optional(2) is None else site.number(2)
    axes = None if site.optional(3) is None else site.ints(3)
    return _padded(site, site.sizes(1), axes, value)


def _padded(site: Site, pads: Sequence[Expr], axes: tuple[int, ...] | None, value: float) -> Value:
    x = site.arg(0)
    chosen = tuple(range(x.rank)) if axes is None else tuple(site.axis(axis, x.rank) for axis in axes)
    if len(pads) != 2 * len(chosen):
        site.invalid(f"{len(pads)} pads for {len(chosen)} axes")
    begin: list[Expr] = [Const(0)] * x.rank
    end: list[Expr] = [Const(0)] * x.rank
    for position, axis in enumerate(chosen):
        begin[axis], end[axis] = pads[position], pads[len(chosen) + position]
    mode = site.attributes.text("mode", "constant")
    if mode not in _MODES:
        site.invalid(f"mode is '{mode}'")
    if all(is_const(item, 0) for item in (*begin, *end)):
        return x
    number: float = value if x.dtype.is_float else int(value)
    return site.call("pad", x, begin=plains(begin), end=plains(end), mode=mode, value=number)


def _expand(site: Site) -> Value:
    x, shape = site.arg(0), site.sizes(1)
    offset = x.rank - len(shape)
    if offset >= 0 and all(
        is_const(size, 1) or site.dims.same(size, x.dims[offset + i]) for i, size in enumerate(shape)
    ):
        return x
    sizes = list(shape)
    for axis, extent in enumerate(x.dims):
        place = axis - offset
        if place >= 0 and not isinstance(extent, Const) and not isinstance(sizes[place], Const):
            x, sizes[place] = _met(site, x, axis, sizes[place])
    return site.call("expand", x, shape=plains(sizes))


def _met(site: Site, x: Value, axis: int, size: Expr) -> tuple[Value, Expr]:
    """Return ``x`` as long along ``axis`` as broadcasting with ``size`` makes it, and that size.

    Sizes of inputs are taken to be equal; of a size that contents decide, either may be 1.
    """
    extent = x.dims[axis]
    if site.dims.same(extent, size):
        return x, size
    if not any(isinstance(item, Var) and item.name in site.dims.unknowns for item in walk(size)):
        return site.builder.match(x, (*x.dims[:axis], size, *x.dims[axis + 1 :])), size
    length = site.dims.simplify(maximum(extent, size))
    places = site.call("range", start=0, step=1, count=plain(length), dtype=INT64)
    places = site.call("min", places, site.builder.sizes([site.dims.simplify(extent - 1)]))
    return site.call("gather", x, places, axis=axis), length


def _tile_old(site: Site) -> Value:
    x = site.arg(0)
    axis = site.axis(int(site.number(2)), x.rank)
    repeats: list[Expr] = [Const(1)] * x.rank
    repeats[axis] = site.sizes(1)[0]
    return site.call("tile", x, repeats=plains(repeats))


def _tile(site: Site) -> Value:
    return site.call("tile", site.arg(0), repeats=plains(site.sizes(1)))


def _trilu(site: Site) -> Value:
    given = site.optional(1)
    if given is not None and not contents.is_known(given):
        return site.call("trilu", site.arg(0), site.reshape(given, ()), upper=site.attributes.flag("upper", True))
    k = Const(0) if site.optional(1) is None else site.sizes(1)[0]
    return site.call("trilu", site.arg(0), upper=site.attributes.flag("upper", True), k=plain(k))


def _compress(site: Site) -> Value:
    x, mask = site.arg(0), site.arg(1)
    if "axis" not in site.attributes:
        x, axis = site.reshape(x, (site.dims.product(x.dims),)), 0
    else:
        axis = site.axis(site.attributes.integer("axis"), x.rank)
    known = mask.numbers
    if known is not None:
        return site.call("gather", x, site.vector(np.flatnonzero(known).tolist()), axis=axis)
    kept, _ = contents.positions(site, site.cast(mask, BOOL))
    return site.call("gather", x, kept, axis=axis)


CONVERTERS: Final[dict[str, Versions]] = {
    "Slice": since(1, _slice_attributes, 10, _slice_inputs),
    "Split": since(_split),
    "Concat": since(1, _concat_old, 4, _concat),
    "Pad": since(1, _pad_old, 2, _pad_attributes, 11, _pad),
    "Expand": since(_expand),
    "Tile": since(1, _tile_old, 6, _tile),
    "Trilu": since(_trilu),
    "Compress": since(_compress),
}
