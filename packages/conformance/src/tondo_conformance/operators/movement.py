"""Uses of operators that move elements without changing them, and of those that make new arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tondo.ir import dtype
from tondo_conformance.operators.recipe import Arg, Recipe, Size, args
from tondo_conformance.values import ANY, BOOL, FLOATS, NUMBERS, TINY, between, fixed, permutations

_CUBE = ("b", "n", "k")
_ALL = (*ANY, *TINY)
_SOME = ("float32", "int64", "bool", "float16")
_LONG = {"k": 4, "n": 3}
_STEPS = {"strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)}


def recipes() -> Iterator[Recipe]:
    """Yield every use."""
    yield from _shapes()
    yield from _parts()
    yield from _indices()
    yield from _blocks()
    yield from _resizes()
    yield from _made()


def _shapes() -> Iterator[Recipe]:
    yield Recipe("reshape", args(("n", 4, 6)), lambda size: {"shape": (size["n"], 24)}, "join", _ALL)
    yield Recipe("reshape", args(("n", 24)), {"shape": (-1, 4, 6)}, "apart", _SOME)
    yield Recipe("squeeze", args(("n", 1, "k")), {"axes": (1,)}, "", _SOME)
    yield Recipe("unsqueeze", args(("n", "k")), {"axes": (0, 2)}, "", _SOME, scalar=False)
    yield Recipe("flatten", args(_CUBE), {"axis": 1}, "", _SOME)
    yield Recipe("transpose", args(_CUBE), {"perm": (0, 2, 1)}, "", _ALL)
    yield Recipe("transpose", args(("b", "c", "h", "w")), {"perm": (0, 2, 3, 1)}, "channels", _SOME)
    yield Recipe("transpose", args(_CUBE), {}, "reversed", ("float32",))
    yield Recipe("expand", args(("n", 1)), lambda size: {"shape": (3, size["n"], 7)}, "", _SOME)
    yield Recipe("tile", args(("n", "k")), {"repeats": (2, 3)}, "", _SOME)


def _parts() -> Iterator[Recipe]:
    yield Recipe("concat", args(("b", "n", "k"), ("b", 3, "k"), ("b", "m", "k")), {"axis": 1}, "", _ALL)
    yield Recipe("concat", args(("n", "k"), ("n", "m")), {"axis": -1}, "last", _SOME)
    yield Recipe("stack", args(("n", "k"), ("n", "k")), {"axis": 1}, "", _SOME, scalar=False)
    cut = {"axes": (1, 2), "starts": (1, 0), "ends": (3, None), "steps": (1, 2)}
    yield Recipe("slice", args(_CUBE), cut, "", _ALL, empty=("b",), least=_LONG)
    back = {"axes": (2,), "starts": (None,), "ends": (None,), "steps": (-1,)}
    yield Recipe("slice", args(_CUBE), back, "backwards", _SOME)
    for mode in ("constant", "reflect", "edge", "wrap"):
        attrs = {"begin": (0, 1, 2), "end": (1, 0, 2), "mode": mode}
        dtypes = NUMBERS if mode == "constant" else ("float32", "int32")
        empty = None if mode == "constant" else ()
        yield Recipe("pad", args(_CUBE), attrs, mode, dtypes, empty=empty, least=_LONG)
    crop = {"begin": (0, -1, 2), "end": (0, 1, -2), "value": 3}
    yield Recipe("pad", args(_CUBE), crop, "crop", ("float32", "int32"), empty=("b",), least=_LONG)
    moved = (Arg(("n", "k")), Arg((2,), "int64", fixed([1, 2])))
    yield Recipe("pad_at", moved, lambda size: {"shape": (size["n"] + 3, size["k"] + 4)}, "", _SOME, empty=())
    written = (Arg(("b", 8, "k")), Arg(("b", 2, "k")), Arg(("b",), "int64", between(0, 6)))
    yield Recipe("write_at", written, {}, "", _SOME, empty=("k",))
    yield Recipe("write_at", written, {"circular": True}, "circular", ("float32",), empty=())


def _indices() -> Iterator[Recipe]:
    picked = Arg(("m",), "int64", between(-6, 5))
    yield Recipe("gather", (Arg((6, "k")), picked), {}, "", _ALL, empty=("k", "m"), constant=(0,))
    yield Recipe("gather", (Arg(("n", 6)), Arg(("b", "m"), "int32", between(0, 5))), {"axis": 1}, "axis", _SOME)
    yield Recipe("gather", (Arg((6, "k")), Arg((), "int64", between(0, 5))), {}, "one", ("float32",))
    elements = Arg(("n", "m"), "int64", between(-6, 5))
    yield Recipe("gather_elements", (Arg(("n", 6)), elements), {"axis": 1}, "", _SOME, empty=("m",))
    pairs = Arg(("m", 2), "int64", between(0, 4))
    yield Recipe("gather_nd", (Arg((5, 6, "k")), pairs), {}, "", _SOME, empty=("k", "m"))
    yield Recipe("gather_nd", (Arg(("b", 5, "k")), Arg(("b", 1), "int64", between(0, 4))), {"batch_dims": 1}, "batch")
    once = Arg(("n", 4), "int64", permutations)
    for how in ("none", "add", "mul", "max", "min"):
        spread = (Arg(("n", 6)), once, Arg(("n", 4)))
        dtypes = _SOME[:2] if how != "none" else _SOME
        special = "none" if how in {"max", "min"} else "nan"
        attrs = {"axis": 1, "reduction": how}
        name = "" if how == "none" else how
        yield Recipe("scatter_elements", spread, attrs, name, dtypes, special, empty=())
        rows = (Arg((6, "k")), Arg((3, 1), "int64", fixed([4, 0, 2])), Arg((3, "k")))
        yield Recipe("scatter_nd", rows, {"reduction": how}, name, dtypes, special, empty=("k",))
    twice = (Arg((6, "k")), Arg((3, 1), "int64", fixed([4, -2, 4])), Arg((3, "k")))
    yield Recipe("scatter_nd", twice, {"reduction": "add"}, "twice", ("float32", "int32"), "nan")
    lengths = (Arg((6, "b", "k")), Arg(("b",), "int64", between(1, 6)))
    yield Recipe("reverse_sequence", lengths, {}, "", _SOME, empty=("k",))
    yield Recipe("one_hot", (Arg(("n", "m"), "", between(0, 4)),), {"depth": 5}, "", ("int64", "int32", "uint8"))
    filled = {"depth": 5, "axis": 0, "on": 2, "off": -1, "dtype": dtype("int32")}
    yield Recipe("one_hot", (Arg(("n",), "", between(0, 4)),), filled, "filled", ("int64",))


def _blocks() -> Iterator[Recipe]:
    for mode in ("dcr", "crd"):
        deep = {"block": 2, "mode": mode}
        yield Recipe("depth_to_space", args(("b", 8, "h", "w")), deep, mode, _SOME)
    yield Recipe("space_to_depth", args(("b", "c", 6, 8)), {"block": 2}, "", _SOME)
    columns = {"image": (5, 6), "kernel": (2, 2), **_STEPS}
    yield Recipe("col2im", args(("b", 12, 20)), columns, "", ("float32", "int32"), "nan")
    yield Recipe("frames", args(("b", 20, "c")), {"step": 3, "length": 5, "frames": 6}, "", ("float32", "int16"))


def _resizes() -> Iterator[Recipe]:
    image = args(("b", "c", 5, 7))

    def use(
        name: str, size: tuple[int, int], empty: tuple[str, ...], dtypes: tuple[str, ...], **attrs: object
    ) -> Recipe:
        def sized(sizes: Mapping[str, Size]) -> Mapping[str, object]:
            return {"sizes": (sizes["b"], sizes["c"], *size), **attrs}

        return Recipe("resize", image, sized, name, dtypes, "none", empty=empty, rounding="float32")

    for mode in ("nearest", "linear", "cubic"):
        yield use(f"{mode}-up", (10, 9), ("b", "c"), FLOATS, mode=mode)
        yield use(f"{mode}-down", (3, 7), ("b",), ("float32",), mode=mode)
    for way in ("pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"):
        yield use(way.replace("_", "-"), (8, 8), (), ("float32",), mode="linear", coordinates=way)


def _made() -> Iterator[Recipe]:
    for kind in ("float32", "int64", "float16"):
        attrs = {"start": 2, "step": 3, "count": 9, "dtype": dtype(kind)}
        yield Recipe("range", (), attrs, kind, (kind,))
    for kind in (*NUMBERS, *BOOL):
        yield Recipe("fill", (), {"shape": (3, 5), "value": 1, "dtype": dtype(kind)}, kind, (kind,))
    yield Recipe("fill", (), {"shape": (), "value": 2.5, "dtype": dtype("float32")}, "rank-0", ("float32",))
    yield Recipe("eye", (), {"shape": (4, 6), "k": 1}, "", ("float32",))
    key = (Arg((2,), "int64", fixed([7, 3])),)
    for op in ("random_uniform", "random_normal"):
        for kind in ("float32", "float64", "float16"):
            yield Recipe(op, key, {"shape": (5, 33), "dtype": dtype(kind)}, kind, (kind,), "none")
