"""Signals: DFT, STFT, MelWeightMatrix."""

from __future__ import annotations

from typing import Final

from tondo.ir import FLOAT32, FLOAT64, INT64, Const, Expr, TensorType, as_expr, floordiv, is_const
from tondo_onnx.build.dims import plain
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.contents import vector
from tondo_onnx.nodes.measures import Vectors, around_axis, unknown
from tondo_onnx.nodes.site import Site, Versions, since
from tondo_onnx.read.types import dtype_of

_MANY_POINTS: Final = 1024
_AXIS_INPUT: Final = 20
"""Operator set from which on the axis of DFT is an input."""


def _rows(site: Site, x: Value) -> tuple[Value, int | None]:
    """Return ``x`` as ``[before, n, after, parts]`` and the axis, None if it depends on data."""
    parts = x.dims[-1]
    last = x.rank - 1
    if site.version >= _AXIS_INPUT and unknown(site.optional(2)):
        rows = around_axis(site, x, site.arg(2))
        inner = site.dims.quotient([rows.dims[2]], [parts])
        return site.reshape(rows, (*rows.dims[:2], inner, parts)), None
    if site.version >= _AXIS_INPUT:
        axis = -2 if site.optional(2) is None else int(site.number(2))
    else:
        axis = site.attributes.integer("axis", 1)
    place = site.axis(axis, x.rank)
    if place == last:
        site.invalid("the last dimension holds real and imaginary part and cannot be transformed")
    before, after = site.dims.product(x.dims[:place]), site.dims.product(x.dims[place + 1 : last])
    return site.reshape(x, (before, x.dims[place], after, parts)), place


def _transformed(site: Site, rows: Value, length: Expr, *, inverse: bool, onesided: bool) -> Value:
    """Return the transform of ``[before, n, after, parts]``: a product with a table, or by the runtime for many points.

    The table has ``length^2`` elements.
    """
    many = isinstance(length, Const) and length.value > _MANY_POINTS and rows.dtype in {FLOAT32, FLOAT64}
    if not many or (inverse and onesided):
        return site.call("dft", rows, length=plain(length), inverse=inverse, onesided=onesided)
    points = plain(length)
    size = length if not onesided else site.dims.simplify(floordiv(length, 2) + 1)
    kind = TensorType((rows.dims[0], size, rows.dims[2], Const(2)), rows.dtype)
    return site.builder.packed("tondo.signal.dft", (rows,), (kind,), {"length": points, "inverse": inverse})[0]


def _dft(site: Site) -> Value:
    x, length_given = site.arg(0), site.optional(1)
    rows, axis = _rows(site, x)
    inverse, onesided = site.attributes.flag("inverse"), site.attributes.flag("onesided")
    size = rows.dims[1]
    length: Expr = (size - 1) * 2 if inverse and onesided else size
    if length_given is not None:
        length = site.size(1)
    result = _transformed(site, rows, site.dims.simplify(length), inverse=inverse, onesided=onesided)
    if axis is not None:
        return site.reshape(result, (*x.dims[:axis], result.dims[1], *x.dims[axis + 1 : -1], result.dims[3]))
    vectors = Vectors(site)
    named = vectors.named(vector(site, site.arg(2)), x.rank)
    transformed = site.builder.sizes([result.dims[1]])
    shape = site.builder.sizes([*x.dims[:-1], result.dims[3]])
    return site.reshape(result, vectors.sizes(vectors.where(named, transformed, shape)))


def _stft(site: Site) -> Value:
    signal, window, length_given = site.arg(0), site.optional(2), site.optional(3)
    if signal.rank not in {2, 3}:
        site.invalid(f"the signal has rank {signal.rank}")
    x = signal if signal.rank == 3 else site.reshape(signal, (*signal.dims, 1))
    site.want_rank(2, 1)
    step = site.size(1)
    if length_given is not None:
        length = site.size(3)
    elif window is not None:
        length = window.dims[0]
    else:
        length = x.dims[1]
    frames = site.dims.simplify(floordiv(x.dims[1] - length, step) + 1)
    parts = site.call("frames", x, step=plain(step), length=plain(length), frames=plain(frames))
    if window is not None:
        weights = site.reshape(site.builder.match(window, (length,)), (length, 1))
        parts = site.call("mul", parts, weights)
    batch = site.dims.product((x.dims[0], frames))
    rows = site.reshape(parts, (batch, length, 1, x.dims[2]))
    onesided = site.attributes.flag("onesided", True) and is_const(x.dims[2], 1)
    result = _transformed(site, rows, length, inverse=False, onesided=onesided)
    return site.reshape(result, (x.dims[0], frames, result.dims[1], 2))


def _mel_weights(site: Site) -> Value:
    """Convert MelWeightMatrix: triangles over the bins of a spectrum, evenly spaced on the mel scale."""
    bands, length, rate = site.size(0), site.size(1), site.size(2)
    bins = site.dims.simplify(floordiv(length, Const(2)) + 1)

    def scalar(value: float) -> Value:
        return site.scalar(value, FLOAT64)

    def size(value: Expr) -> Value:
        return site.cast(site.reshape(site.builder.sizes([as_expr(value)]), ()), FLOAT64)

    def mel(hertz: Value) -> Value:
        inner = site.call("add", site.call("div", hertz, scalar(700.0)), scalar(1.0))
        return site.call("mul", site.call("log10", inner), scalar(2595.0))

    low, high = (mel(site.reshape(site.cast(site.arg(position), FLOAT64), ())) for position in (3, 4))
    gap = site.call("div", site.call("sub", high, low), size(bands + 2))
    numbers = site.cast(site.call("range", count=plain(site.dims.simplify(bands + 2)), dtype=INT64), FLOAT64)
    points = site.call("add", site.call("mul", numbers, gap), low)
    exponent = site.call("div", points, scalar(2595.0))
    hertz = site.call(
        "mul", site.call("sub", site.call("pow", scalar(10.0), exponent), scalar(1.0)), scalar(700.0)
    )  # fmt: skip
    places = site.call("floor", site.call("div", site.call("mul", hertz, size(length + 1)), size(rate)))

    def edge(first: int) -> Value:
        ends = (plain(site.dims.simplify(bands + first)),)
        part = site.call("slice", places, axes=(0,), starts=(first,), ends=ends, steps=(1,))
        return site.reshape(part, (1, bands))

    left, centre, right = edge(0), edge(1), edge(2)
    spectrum = site.call("range", count=plain(bins), dtype=INT64)
    bin_ = site.reshape(site.cast(spectrum, FLOAT64), (bins, 1))
    up = site.call("sub", centre, left)
    flat = site.call("equal", up, scalar(0.0))
    one, zero = scalar(1.0), scalar(0.0)
    rising = site.call("div", site.call("sub", bin_, left), site.call("where", flat, one, up))
    down = site.call("sub", right, centre)
    level = site.call("equal", down, scalar(0.0))
    falling = site.call("div", site.call("sub", right, bin_), site.call("where", level, one, down))
    at_centre = site.call("equal", bin_, centre)
    rises = site.call("logical_and", site.call("greater_equal", bin_, left), site.call("less_equal", bin_, centre))
    rises = site.call("logical_and", rises, site.call("logical_not", flat))
    falls = site.call("logical_and", site.call("greater_equal", bin_, centre), site.call("less", bin_, right))
    falls = site.call("logical_and", falls, site.call("logical_not", level))
    peak = site.call("where", site.call("logical_and", at_centre, flat), one, zero)
    value = site.call("where", falls, falling, site.call("where", rises, rising, peak))
    kind = dtype_of(site.attributes.integer("output_datatype", 1), f"the result of {site.label}")
    return site.cast(value, kind if kind.is_float else FLOAT32)


CONVERTERS: Final[dict[str, Versions]] = {
    "DFT": since(_dft),
    "STFT": since(_stft),
    "MelWeightMatrix": since(_mel_weights),
}
