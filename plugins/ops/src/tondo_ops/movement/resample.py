"""Where the elements of a resampled tensor come from: sizes, scales and source coordinates, one axis at a time.

Scales and the region of interest are attributes, or arguments behind the tensor where they are known at run time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tondo.ir import FLOAT32, Buffer, Const, Expr, OpCall, TensorType, const, maximum, minimum, select
from tondo_ops.support.attributes import choice, floats, refuse
from tondo_ops.support.dims import ZERO, same
from tondo_ops.support.indices import at

COORDINATES: Final = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
)


@dataclass(frozen=True, slots=True)
class Axis:
    """One resampled axis; ``crop`` is the part of the input to take, as fractions, in the crop mode."""

    axis: int
    size: Expr
    result: Expr
    scale: float | Expr | None
    crop: tuple[float | Expr, float | Expr]


def crops(call: OpCall) -> bool:
    """Return whether a region of interest is cut out."""
    return choice(call, "coordinates", COORDINATES, "half_pixel") == "tf_crop_and_resize"


def axes_of_resize(
    call: OpCall, x: TensorType, sizes: Sequence[Expr], scale: Buffer | None = None, roi: Buffer | None = None
) -> list[Axis]:
    """Return the axes that change; in the crop mode all that the region of interest cuts as well.

    ``scale`` and ``roi`` are the arguments that hold what the attributes do not; every axis may change then.
    """
    factors = floats(call, "scales") or (None,) * x.rank
    region = floats(call, "roi") or (0.0,) * x.rank + (1.0,) * x.rank
    if len(factors) != x.rank or len(region) != 2 * x.rank:
        refuse(call, "attributes 'scales' and 'roi' need an item (two items) per dimension")
    if any(factor is not None and factor <= 0 for factor in factors):
        refuse(call, "scales must be positive")
    result: list[Axis] = []
    for axis, (size, wanted) in enumerate(zip(x.dims, sizes, strict=True)):
        factor = factors[axis] if scale is None else at(scale, (const(axis),))
        crop: tuple[float | Expr, float | Expr] = (0.0, 1.0)
        if crops(call) and roi is None:
            crop = (region[axis], region[axis + x.rank])
        elif crops(call) and roi is not None:
            crop = (at(roi, (const(axis),)), at(roi, (const(axis + x.rank),)))
        fixed = not isinstance(factor, Expr) and not isinstance(crop[0], Expr)
        if fixed and same(size, wanted) and factor in {None, 1.0} and crop == (0.0, 1.0):
            continue
        result.append(Axis(axis, size, wanted, factor, crop))
    return result


def real(value: Expr) -> Expr:
    """Return a dimension as float32."""
    return const(value.value, FLOAT32) if isinstance(value, Const) else value.astype(FLOAT32)


def _number(value: float | Expr) -> Expr:
    return value if isinstance(value, Expr) else const(value, FLOAT32)


def scale_of(axis: Axis) -> Expr:
    """Return the scale of an axis in float32: the given one, else the quotient of the sizes."""
    return _number(axis.scale) if axis.scale is not None else real(axis.result) / real(axis.size)


def coordinate(call: OpCall, axis: Axis, position: Expr) -> Expr:
    """Return the source coordinate of a result position, in float32."""
    kind = choice(call, "coordinates", COORDINATES, "half_pixel")
    place, size, result = position.astype(FLOAT32), real(axis.size), real(axis.result)
    scale = scale_of(axis)
    middle = (place + 0.5) / scale - 0.5
    single = axis.result.eq(1)
    match kind:
        case "asymmetric":
            return place / scale
        case "align_corners":
            return select(single, const(0, FLOAT32), place * (size - 1.0) / maximum(result - 1.0, 1.0))
        case "pytorch_half_pixel":
            return select(single, const(0, FLOAT32), middle)
        case "half_pixel_symmetric":
            return size * 0.5 * (1.0 - result / (scale * size)) + middle
        case "tf_crop_and_resize":
            begin, end = (_number(item) for item in axis.crop)
            alone = (size - 1.0) * (0.5 * (begin + end))
            step = (size - 1.0) * (end - begin) / maximum(result - 1.0, 1.0)
            return select(single, alone, (size - 1.0) * begin + place * step)
        case _:
            return middle


def inside_of(index: Expr, size: Expr) -> Expr:
    """Return the position of an axis of ``size`` nearest to ``index``."""
    return maximum(minimum(index, size - 1), ZERO)
