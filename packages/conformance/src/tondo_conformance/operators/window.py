"""Uses of sliding windows: convolution and pooling in one to three dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tondo.ir import dtype
from tondo_conformance.operators.recipe import Recipe, args
from tondo_conformance.values import FLOATS, NUMBERS

_IMAGE = ("b", 6, "h", "w")
_ROOM = {"h": 7, "w": 7}
"""Sizes below which a window does not fit."""
_KEPT = ("b",)


def recipes() -> Iterator[Recipe]:
    """Yield every use."""
    yield from _convolutions()
    yield from _transposed()
    yield from _pools()


def _conv(name: str, x: tuple[int | str, ...], w: tuple[int, ...], dtypes: tuple[str, ...], **attrs: object) -> Recipe:
    summed = tuple(w[1:])
    return Recipe("conv", args(x, w), attrs, name, dtypes, "nan", summed, _KEPT, least=_ROOM, constant=(1,))


def _convolutions() -> Iterator[Recipe]:
    same = (1, 1, 1, 1)
    yield Recipe(
        "conv", args(_IMAGE, (8, 6, 3, 3), (8,)), {"pads": same}, "", FLOATS, "nan", (6, 9), _KEPT, least=_ROOM,
        constant=(1, 2),
    )  # fmt: skip
    yield _conv("one", _IMAGE, (19, 6, 1, 1), ("float32", "float16"))
    yield _conv("stride", _IMAGE, (8, 6, 3, 3), ("float32", "float64"), strides=(2, 2), pads=(0, 1, 1, 0))
    yield _conv("dilation", _IMAGE, (8, 6, 3, 2), ("float32",), dilations=(2, 3), pads=(2, 2, 2, 2))
    yield _conv("groups", _IMAGE, (8, 3, 3, 3), ("float32",), groups=2, pads=same)
    yield _conv("depthwise", _IMAGE, (6, 1, 3, 3), ("float32", "float16"), groups=6, pads=same)
    yield _conv("depthwise-five", _IMAGE, (12, 1, 5, 5), ("float32",), groups=6, strides=(2, 1), pads=(2, 2, 2, 2))
    yield _conv("seven", ("b", 3, "h", "w"), (16, 3, 7, 7), ("float32",), strides=(2, 2), pads=(3, 3, 3, 3))
    yield _conv("line", ("b", 6, "w"), (8, 6, 3), ("float32", "float64"), pads=(1, 1))
    yield _conv("volume", ("b", 2, 5, "h", 6), (4, 2, 3, 3, 3), ("float32",), pads=(1, 1, 1, 1, 1, 1))
    yield _conv("integer", _IMAGE, (8, 6, 3, 3), ("int8", "int32"), pads=same, out_dtype=dtype("int32"))


def _transposed() -> Iterator[Recipe]:
    def made(name: str, x: tuple[int | str, ...], w: tuple[int, ...], **attrs: object) -> Recipe:
        dtypes = FLOATS if not name else ("float32",)
        return Recipe(
            "conv_transpose", args(x, w), attrs, name, dtypes, "none", (6, 9), _KEPT, least=_ROOM, constant=(1,)
        )

    yield made("", _IMAGE, (6, 5, 3, 3))
    yield made("stride", _IMAGE, (6, 5, 3, 3), strides=(2, 2), pads=(1, 1, 1, 1), output_padding=(1, 1))
    yield made("groups", _IMAGE, (6, 2, 2, 2), groups=3, strides=(2, 2))
    yield made("line", ("b", 6, "w"), (6, 5, 3), dilations=(2,))


def _pools() -> Iterator[Recipe]:
    def made(op: str, name: str, attrs: Mapping[str, object], dtypes: tuple[str, ...] = ("float32",)) -> Recipe:
        special = "infinite" if op == "max_pool" else "nan"
        return Recipe(op, args(_IMAGE), attrs, name, dtypes, special, (9,), _KEPT, least=_ROOM)

    plain = {"kernel": (3, 3)}
    strided = {"kernel": (3, 2), "strides": (2, 2), "pads": (1, 0, 1, 1)}
    yield made("max_pool", "", plain, NUMBERS)
    yield made("max_pool", "stride", strided)
    yield made("max_pool", "dilation", {"kernel": (2, 2), "dilations": (2, 2)})
    yield made("max_pool", "indices", {**strided, "indices": True})
    yield made("max_pool", "extra", {"kernel": (3, 3), "strides": (2, 2), "extra": (1, 1)})
    yield made("average_pool", "", plain, FLOATS)
    yield made("average_pool", "stride", strided)
    yield made("average_pool", "counted", {**strided, "count_include_pad": True})
    yield made("lp_pool", "", {**plain, "p": 2}, FLOATS)
