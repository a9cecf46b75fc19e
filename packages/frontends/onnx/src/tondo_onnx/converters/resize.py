"""Resize and Upsample: all versions end in one operator with sizes of the result and, where given, scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from tondo.ir import Const, Expr, floordiv
from tondo_onnx.build.dims import plains, static
from tondo_onnx.build.values import Ratio, Value, fraction
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
    """Scale factors per dimension of the input: numbers, or sizes of the result alone where they are symbolic."""

    sizes: tuple[Expr, ...]
    numbers: tuple[float, ...] | None


def _scaled(site: Site, x: Value, scales: Value, axes: Sequence[int], roi: Sequence[float] | None = None) -> _Scales:
    """Return what ``scales`` (floats, one per axis of ``axes``) make of the shape of ``x``."""
    if scales.elements is None:
        site.refuse("the scales decide the shape of the result, but depend on data")
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


def _emit(site: Site, x: Value, scales: _Scales, **attrs: object) -> Value:
    mode = site.attributes.text("mode", "nearest").lower()
    if mode not in _MODES:
        site.refuse(f"mode '{mode}'")
    return site.call("resize", x, sizes=plains(scales.sizes), scales=scales.numbers, mode=_MODES[mode], **attrs)


def _resize(site: Site) -> Value:
    x = site.arg(0)
    attributes = site.attributes
    if attributes.flag("antialias"):
        site.refuse("antialias=1")
    coordinates = attributes.text("coordinate_transformation_mode", "half_pixel")
    if coordinates not in _COORDINATES:
        site.refuse(f"coordinate_transformation_mode '{coordinates}'")
    axes = attributes.ints("axes")
    chosen = tuple(range(x.rank)) if axes is None else tuple(site.axis(axis, x.rank) for axis in axes)
    roi = _roi(site, x, chosen) if coordinates == "tf_crop_and_resize" else None
    return _emit(
        site, x, _target(site, x, chosen, roi),
        coordinates=coordinates, nearest=attributes.text("nearest_mode", "round_prefer_floor"),
        cubic_coeff=attributes.number("cubic_coeff_a", -0.75), exclude_outside=attributes.flag("exclude_outside"),
        extrapolation=attributes.number("extrapolation_value", 0.0), roi=roi,
    )  # fmt: skip


def _roi(site: Site, x: Value, axes: Sequence[int]) -> tuple[float, ...]:
    given = [float(item) for item in site.numbers(1).reshape(-1)]
    if len(given) != 2 * len(axes):
        site.invalid(f"the region has {len(given)} numbers for {len(axes)} axes")
    whole = [0.0] * x.rank + [1.0] * x.rank
    for position, axis in enumerate(axes):
        whole[axis], whole[x.rank + axis] = given[position], given[len(axes) + position]
    return tuple(whole)


def _target(site: Site, x: Value, axes: Sequence[int], roi: Sequence[float] | None) -> _Scales:
    scales, sizes = site.optional(2), site.optional(3)
    if scales is not None and not (scales.numbers is not None and scales.numbers.size == 0):
        return _scaled(site, x, scales, axes, roi)
    if sizes is None:
        site.invalid("neither scales nor sizes are given")
    wanted = site.sizes(3)
    if len(wanted) != len(axes):
        site.invalid(f"{len(wanted)} sizes for {len(axes)} axes")
    policy = site.attributes.text("keep_aspect_ratio_policy", _KEEP_STRETCH)
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


CONVERTERS: Final[dict[str, Versions]] = {
    "Upsample": since(1, _upsample_height_width, 7, _upsample_attribute, 9, _upsample_input),
    "Resize": since(10, _upsample_input, 11, _resize),
}
