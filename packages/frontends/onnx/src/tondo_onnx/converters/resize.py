"""Resize and Upsample: all versions end in one operator with sizes of the result and, where given, scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import numpy as np

from tondo.ir import FLOAT32, INT64, Const, Expr, ceildiv, floordiv, is_const, maximum
from tondo_onnx.build.dims import plains, static
from tondo_onnx.build.values import Ratio, Value, fraction
from tondo_onnx.nodes.measures import unknown
from tondo_onnx.nodes.site import Site, Versions, since

_KEEP_STRETCH: Final = "stretch"
_MODES: Final = {
    "nearest": "nearest",
    "linear": "linear",
    "bilinear": "linear",
    "trilinear": "linear",
    "cubic": "cubic",
}
_COORDINATES: Final = frozenset(
    {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"}
)


@dataclass(frozen=True, slots=True)
class _Scales:
    """Scale factors per dimension of the input: numbers, or sizes of the result alone where they are symbolic.

    ``tensor`` holds the factors (float32, one per dimension) if they depend on data.
    """

    sizes: tuple[Expr, ...]
    numbers: tuple[float, ...] | None
    tensor: Value | None = None


def _scaled(site: Site, x: Value, scales: Value, axes: Sequence[int], roi: Sequence[float] | None = None) -> _Scales:
    """Return what ``scales`` (floats, one per axis of ``axes``) make of the shape of ``x``."""
    if scales.elements is None:
        return _scaled_unknown(site, x, scales, axes)
    items = list(scales.elements.reshape(-1))
    if len(items) != len(axes):
        site.invalid(f"{len(items)} scales for {len(axes)} axes")
    sizes, numbers = list(x.dims), [1.0] * x.rank
    known = True
    for axis, item in zip(axes, items, strict=True):
        if isinstance(item, (Ratio, Expr)):
            above, below = (item.numerator, item.denominator) if isinstance(item, Ratio) else (item, 1)
            sizes[axis] = site.dims.quotient([x.dims[axis], above], [Const(below)])
            known = False
            continue
        numbers[axis] = float(item)
        share = 1.0 if roi is None else roi[x.rank + axis] - roi[axis]
        sizes[axis] = _times(site, x.dims[axis], float(item), share)
    return _Scales(tuple(sizes), tuple(numbers) if known else None)


def _scaled_unknown(site: Site, x: Value, scales: Value, axes: Sequence[int], region: Value | None = None) -> _Scales:
    """Return the scales that depend on data, and the sizes that follow from them."""
    factors = _placed(site, site.cast(scales, FLOAT32), axes, x.rank, 1.0)
    have = site.cast(site.sizes_of(x), FLOAT32)
    if region is not None:
        begin, end = _halves(site, region, x.rank)
        have = site.call("mul", have, site.call("sub", end, begin))
    sizes = site.cast(site.call("floor", site.call("mul", have, factors)), INT64)
    return _Scales(site.sizes_in(sizes), None, factors)


def _placed(site: Site, values: Value, axes: Sequence[int], rank: int, rest: float) -> Value:
    """Return a vector with an entry per dimension: ``values`` at ``axes``, ``rest`` elsewhere."""
    more = site.call(
        "concat", values, site.builder.constant(np.array([rest]).astype(values.dtype.numpy), "rest"), axis=0
    )
    order = [axes.index(axis) if axis in axes else len(axes) for axis in range(rank)]
    return site.call("gather", more, site.vector(order), axis=0)


def _halves(site: Site, region: Value, rank: int) -> tuple[Value, Value]:
    parts = [
        site.call("slice", region, axes=(0,), starts=(i * rank,), ends=((i + 1) * rank,), steps=(1,)) for i in (0, 1)
    ]
    return parts[0], parts[1]


def _times(site: Site, size: Expr, scale: float, share: float) -> Expr:
    if isinstance(size, Const):
        return Const(int(np.floor(int(size.value) * share * scale)))
    exact = fraction(scale * share) or Fraction(scale * share).limit_denominator(1 << 16)
    return site.dims.simplify(floordiv(size * exact.numerator, Const(exact.denominator)))


def _upsample_height_width(site: Site) -> Value:
    x = site.arg(0)
    factors = np.array([site.attributes.number(name) for name in ("height_scale", "width_scale")], np.float32)
    scales = _scaled(site, x, site.builder.constant(factors, "scales"), range(x.rank - 2, x.rank))
    return _upsampled(site, x, scales)


def _upsample_attribute(site: Site) -> Value:
    x = site.arg(0)
    factors = np.array(site.attributes.numbers("scales") or (), np.float32)
    return _upsampled(site, x, _scaled(site, x, site.builder.constant(factors, "scales"), range(x.rank)))


def _upsample_input(site: Site) -> Value:
    x = site.arg(0)
    return _upsampled(site, x, _scaled(site, x, site.arg(1), range(x.rank)))


def _upsampled(site: Site, x: Value, scales: _Scales) -> Value:
    """Return the result of the operators before Resize 11: asymmetric coordinates, nearest rounds down."""
    return _emit(site, x, scales, coordinates="asymmetric", nearest="floor")


def _emit(site: Site, x: Value, scales: _Scales, region: Value | None = None, **attrs: object) -> Value:
    mode = site.attributes.text("mode", "nearest").lower()
    if mode not in _MODES:
        site.refuse(f"mode '{mode}'")
    given = [value for value in (scales.tensor, region) if value is not None]
    if _MODES[mode] != "nearest" and site.attributes.flag("antialias"):
        attrs = {**attrs, "antialias": True, "taps": plains(_taps(site, x, scales, _MODES[mode]))}
    return site.call("resize", x, *given, sizes=plains(scales.sizes), scales=scales.numbers, mode=_MODES[mode], **attrs)


def _taps(site: Site, x: Value, scales: _Scales, mode: str) -> tuple[Expr, ...]:
    """Return over how many elements of each axis the stretched filter reaches."""
    radius = 1 if mode == "linear" else 2
    if scales.tensor is not None:
        least = site.call("min", scales.tensor, site.scalar(1.0, FLOAT32))
        reach = site.call("ceil", site.call("div", site.scalar(float(radius), FLOAT32), least))
        return site.sizes_in(site.call("mul", site.cast(reach, INT64), site.vector([2])))
    if scales.numbers is not None:
        return tuple(Const(2 * math.ceil(radius / min(scale, 1.0))) for scale in scales.numbers)
    return tuple(
        site.dims.simplify(maximum(ceildiv(size * radius, result), Const(radius)) * 2)
        for size, result in zip(x.dims, scales.sizes, strict=True)
    )


def _resize(site: Site) -> Value:
    x = site.arg(0)
    attributes = site.attributes
    coordinates = attributes.text("coordinate_transformation_mode", "half_pixel")
    if coordinates not in _COORDINATES:
        site.refuse(f"coordinate_transformation_mode '{coordinates}'")
    axes = attributes.ints("axes")
    chosen = tuple(range(x.rank)) if axes is None else tuple(site.axis(axis, x.rank) for axis in axes)
    crops = coordinates == "tf_crop_and_resize"
    region = _region(site, x, chosen) if crops and unknown(site.optional(1)) else None
    roi = _roi(site, x, chosen) if crops and region is None else None
    target = _target(site, x, chosen, roi, region)
    if region is not None and target.tensor is None:
        have = site.cast(site.sizes_of(x), FLOAT32)
        ratio = site.call("div", site.cast(site.builder.sizes(target.sizes), FLOAT32), have)
        target = replace(target, numbers=None, tensor=_constant_scales(site, target) or ratio)
    return _emit(
        site, x, target, region,
        coordinates=coordinates, nearest=attributes.text("nearest_mode", "round_prefer_floor"),
        cubic_coeff=attributes.number("cubic_coeff_a", -0.75), exclude_outside=attributes.flag("exclude_outside"),
        extrapolation=attributes.number("extrapolation_value", 0.0), roi=roi,
    )  # fmt: skip


def _constant_scales(site: Site, scales: _Scales) -> Value | None:
    if scales.numbers is None:
        return None
    return site.builder.constant(np.array(scales.numbers, np.float32), "scales")


def _region(site: Site, x: Value, axes: Sequence[int]) -> Value:
    """Return the region of interest that depends on data: begins, then ends, of every dimension."""
    begin, end = _halves(site, site.cast(site.arg(1), FLOAT32), len(axes))
    return site.call("concat", _placed(site, begin, axes, x.rank, 0.0), _placed(site, end, axes, x.rank, 1.0), axis=0)


def _roi(site: Site, x: Value, axes: Sequence[int]) -> tuple[float, ...]:
    given = [float(item) for item in site.numbers(1).reshape(-1)]
    if len(given) != 2 * len(axes):
        site.invalid(f"the region has {len(given)} numbers for {len(axes)} axes")
    whole = [0.0] * x.rank + [1.0] * x.rank
    for position, axis in enumerate(axes):
        whole[axis], whole[x.rank + axis] = given[position], given[len(axes) + position]
    return tuple(whole)


def _target(site: Site, x: Value, axes: Sequence[int], roi: Sequence[float] | None, region: Value | None) -> _Scales:
    scales, sizes = site.optional(2), site.optional(3)
    if scales is not None and not any(is_const(extent, 0) for extent in scales.dims):
        if region is not None:
            return _scaled_unknown(site, x, scales, axes, region)
        return _scaled(site, x, scales, axes, roi)
    if sizes is None:
        site.invalid("neither scales nor sizes are given")
    policy = site.attributes.text("keep_aspect_ratio_policy", _KEEP_STRETCH)
    if policy != _KEEP_STRETCH and sizes.elements is None:
        return _keeping_aspect_unknown(site, x, axes, sizes, policy)
    wanted = site.sizes(3)
    if len(wanted) != len(axes):
        site.invalid(f"{len(wanted)} sizes for {len(axes)} axes")
    if policy != _KEEP_STRETCH:
        return _keeping_aspect(site, x, axes, wanted, policy)
    shape = list(x.dims)
    for axis, size in zip(axes, wanted, strict=True):
        shape[axis] = size
    return _Scales(tuple(shape), None)


def _keeping_aspect(site: Site, x: Value, axes: Sequence[int], wanted: Sequence[Expr], policy: str) -> _Scales:
    have, want = static([x.dims[axis] for axis in axes]), static(wanted)
    if have is None or want is None:
        site.refuse(f"keep_aspect_ratio_policy '{policy}' with symbolic dimensions")
    if policy not in {"not_larger", "not_smaller"}:
        site.invalid(f"keep_aspect_ratio_policy is '{policy}'")
    ratios = [target / size for target, size in zip(want, have, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    sizes, numbers = list(x.dims), [1.0] * x.rank
    for axis, size in zip(axes, have, strict=True):
        sizes[axis] = Const(int(np.floor(scale * size + 0.5)))
        numbers[axis] = scale
    return _Scales(tuple(sizes), tuple(numbers))


def _keeping_aspect_unknown(site: Site, x: Value, axes: Sequence[int], sizes: Value, policy: str) -> _Scales:
    """Return one scale for all ``axes`` so that the result fits the sizes that depend on data."""
    if policy not in {"not_larger", "not_smaller"}:
        site.invalid(f"keep_aspect_ratio_policy is '{policy}'")
    have = site.cast(site.builder.sizes([x.dims[axis] for axis in axes]), FLOAT32)
    ratios = site.call("div", site.cast(sizes, FLOAT32), have)
    scale = site.call("reduce_min" if policy == "not_larger" else "reduce_max", ratios, axes=(0,), keepdims=True)
    factors = _placed(site, site.call("expand", scale, shape=(len(axes),)), axes, x.rank, 1.0)
    whole = site.call("mul", site.cast(site.sizes_of(x), FLOAT32), factors)
    rounded = site.cast(site.call("floor", site.call("add", whole, site.scalar(0.5, FLOAT32))), INT64)
    return _Scales(site.sizes_in(rounded), None, factors)


CONVERTERS: Final[dict[str, Versions]] = {
    "Upsample": since(1, _upsample_height_width, 7, _upsample_attribute, 9, _upsample_input),
    "Resize": since(10, _upsample_input, 11, _resize),
}
