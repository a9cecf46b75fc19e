"""Uses of operators that read at computed places, of signals and of learned models."""

from __future__ import annotations

from collections.abc import Iterator

from tondo_conformance.operators.recipe import Arg, Recipe, args
from tondo_conformance.values import between, fixed

_SOME = ("float32", "float64")
_ROIS = [[0, 0, 8, 7], [1.5, 2.5, 9.5, 6], [3, 1, 4, 2], [0.25, 0.5, 10, 8]]


def recipes() -> Iterator[Recipe]:
    """Yield every use."""
    yield from _grids()
    yield from _regions()
    yield from _signals()
    yield from _trees()


def _grids() -> Iterator[Recipe]:
    image = Arg(("b", "c", 5, 6))
    grid = Arg(("b", "n", "m", 2), "", between(-1.3, 1.3))
    for mode, padding in (("linear", "zeros"), ("cubic", "border"), ("linear", "reflection")):
        attrs = {"mode": mode, "padding": padding}
        name = f"{mode}-{padding}"
        yield Recipe("grid_sample", (image, grid), attrs, name, _SOME, "none", (16,), empty=("b", "c", "n"))
    yield Recipe("grid_sample", (image, grid), {"align_corners": True}, "corners", ("float32",), "none", (16,))
    x, w = Arg(("b", 4, "h", "w")), Arg((6, 4, 3, 3))
    offset = Arg(("b", 18, "h", "w"), "", between(-1.4, 1.4))
    yield Recipe("deform_conv", (x, w, offset), {"pads": (1, 1)}, "", _SOME, "none", (4, 9), ("b",), least={"h": 4})


def _regions() -> Iterator[Recipe]:
    x = Arg((2, "c", 9, 11))
    rois = Arg((4, 4), "", fixed(_ROIS))
    batches = Arg((4,), "int64", fixed([0, 1, 1, 0]))
    for mode in ("avg", "max"):
        attrs = {"height": 3, "width": 2, "samples": 2, "scale": 0.9, "mode": mode}
        yield Recipe("roi_align", (x, rois, batches), attrs, mode, _SOME, "none", (16,))
    with_batch = Arg((4, 5), "", fixed([[index % 2, *map(round, roi)] for index, roi in enumerate(_ROIS)]))
    yield Recipe("roi_max_pool", (x, with_batch), {"height": 3, "width": 2, "scale": 0.5}, "", _SOME, "none")
    boxes = [[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101], [0, -0.1, 1, 0.9]]
    suppressed = (
        Arg((1, 6, 4), "float32", fixed([boxes])),
        Arg((1, 1, 6), "int64", fixed([3, 0, 1, 5, 2, 4])),
        Arg((1, 1, 6), "bool", fixed([1, 1, 1, 1, 1, 0])),
        Arg((), "float32", fixed([0.5])),
        Arg((), "int64", fixed([3])),
    )
    yield Recipe("suppress", suppressed, {}, "", ("float32",), "none")


def _signals() -> Iterator[Recipe]:
    for parts, name in ((1, "real"), (2, "complex")):
        x = args(("b", 12, "c", parts))
        yield Recipe("dft", x, {"length": 12}, name, _SOME, "none", (144,))
        yield Recipe("dft", x, {"length": 7, "inverse": True}, f"{name}-inverse", ("float32",), "none", (144,))
    yield Recipe("dft", args(("b", 12, "c", 1)), {"length": 12, "onesided": True}, "half", ("float32",), "none", (144,))


def _trees() -> Iterator[Recipe]:
    nodes = [
        Arg((7,), "", fixed([0.1, -0.4, 0.5, 0, 0, 0, 0])),
        Arg((7,), "int64", fixed([0, 1, 2, 0, 0, 0, 0])),
        Arg((7,), "int64", fixed([0, 1, 2, 0, 0, 0, 0])),
        Arg((7,), "int64", fixed([1, 3, 5, 3, 4, 5, 6])),
        Arg((7,), "int64", fixed([2, 4, 6, 3, 4, 5, 6])),
        Arg((7,), "int64", fixed([0, 1, 0, 0, 0, 0, 0])),
        Arg((2,), "int64", fixed([0, 1])),
    ]
    yield Recipe("tree_leaf", (Arg(("n", 3)), *nodes), {"depth": 2}, "", ("float32", "float64"), "nan")
