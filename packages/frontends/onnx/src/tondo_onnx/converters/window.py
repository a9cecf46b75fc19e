"""What convolutions and pools share: strides, dilations, and padding that ONNX leaves to be worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.ir import Const, Expr, ceildiv, floordiv, maximum
from tondo_onnx.build.dims import plains
from tondo_onnx.nodes.site import Site


@dataclass(frozen=True, slots=True)
class Window:
    """How a window moves over the spatial dimensions.

    Attributes:
        kernel: sizes of the window.
        strides: steps.
        dilations: distances of the elements of the window.
        pads: padding before each dimension, then after each.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int | Expr, ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """Sizes of the window with its gaps."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilations, strict=True))


def window_of(site: Site, kernel: Sequence[int], spatial: Sequence[Expr]) -> Window:
    """Return the window of a convolution or pool with ``kernel`` over dimensions ``spatial``."""
    if len(kernel) != len(spatial):
        site.invalid(f"the kernel has {len(kernel)} dimensions, the input has {len(spatial)}")
    ones = [1] * len(spatial)
    strides = site.attributes.ints_or("strides", ones)
    dilations = site.attributes.ints_or("dilations", ones)
    if min([*kernel, *strides, *dilations], default=1) < 1:
        site.invalid("kernel sizes, strides and dilations must be positive")
    bare = Window(tuple(kernel), strides, dilations, ())
    return Window(bare.kernel, strides, dilations, _pads(site, bare, spatial))


def _pads(site: Site, window: Window, spatial: Sequence[Expr]) -> tuple[int | Expr, ...]:
    mode = auto_pad(site)
    zeros = [0] * (2 * len(spatial))
    if mode == "NOTSET":
        return site.attributes.ints_or("pads", zeros)
    if mode == "VALID":
        return tuple(zeros)
    begin: list[Expr] = []
    end: list[Expr] = []
    for size, stride, reach in zip(spatial, window.strides, window.reach, strict=True):
        count = ceildiv(size, Const(stride))
        total = site.dims.simplify(maximum((count - 1) * stride + reach - size, Const(0)))
        less = site.dims.simplify(floordiv(total, Const(2)))
        more = site.dims.simplify(total - less)
        begin.append(less if mode == "SAME_UPPER" else more)
        end.append(more if mode == "SAME_UPPER" else less)
    return plains([*begin, *end])


def auto_pad(site: Site) -> str:
    """Return the padding mode."""
    mode = site.attributes.text("auto_pad", "NOTSET") or "NOTSET"
    if mode not in {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"}:
        site.invalid(f"auto_pad is '{mode}'")
    return mode


def ceil_extra(site: Site, window: Window, spatial: Sequence[Expr]) -> tuple[int, ...]:
    """Return how much more padding at the end ``ceil_mode`` asks for, so that the last window is whole.

    A window that would begin in the padding behind the data is left out.
    """
    rank = len(spatial)
    if not site.attributes.flag("ceil_mode") or auto_pad(site) in {"SAME_UPPER", "SAME_LOWER"}:
        return (0,) * rank
    extra: list[int] = []
    for axis, (size, stride, reach) in enumerate(zip(spatial, window.strides, window.reach, strict=True)):
        begin, end = window.pads[axis], window.pads[rank + axis]
        if stride == 1:
            extra.append(0)
            continue
        if not isinstance(size, Const) or isinstance(begin, Expr) or isinstance(end, Expr):
            site.refuse("ceil_mode over a symbolic dimension")
        length = int(size.value) + begin + end
        count = -(-(length - reach) // stride) + 1
        if (count - 1) * stride >= int(size.value) + begin:
            count -= 1
        extra.append(max(0, (count - 1) * stride + reach - length))
    return tuple(extra)
