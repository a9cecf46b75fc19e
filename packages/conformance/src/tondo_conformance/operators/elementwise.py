"""Uses of operators that work element by element; those that are not here are found out, see ``probe``."""

from __future__ import annotations

from collections.abc import Iterator

from tondo.ir import dtype
from tondo_conformance.operators.recipe import Arg, Recipe, args
from tondo_conformance.values import (
    ALL_INTEGERS,
    ALL_NUMBERS,
    ANY,
    BOOL,
    FLOATS,
    INTEGERS,
    NUMBERS,
    TINY,
    between,
    nonzero,
    normal,
)

_CUBE = ("b", "n", "k")
_SOURCES = ("float32", "float16", "int64", "bool")
_CASTS = (*FLOATS, *BOOL, "int8", "int32", "int64", "uint8", "float8_e4m3fn", "float8_e5m2")


def recipes() -> Iterator[Recipe]:
    """Yield every use."""
    yield from _unary()
    yield from _binary()
    yield from _several()
    yield from _casts()


def _unary() -> Iterator[Recipe]:
    yield Recipe("clip", args(_CUBE), {"low": -1, "high": 2}, scalar=True)
    yield Recipe("clip", args(_CUBE), {"high": 0}, "above", ("float32", "int32"))
    for exponent, name in ((2, ""), (0.5, "root"), (3, "cube"), (-1, "inverse"), (1.7, "any")):
        values = normal if name in {"", "cube"} else between(0.5, 3)
        dtypes = ("float32", "float16") if name else NUMBERS
        yield Recipe("pow_scalar", args(_CUBE, values=values), {"exponent": exponent}, name, dtypes)
    yield Recipe("gelu", args(_CUBE), {"approximate": "tanh"}, "tanh", FLOATS)
    yield Recipe("isinf", args(_CUBE), {"negative": False}, "positive", FLOATS)
    yield Recipe("leaky_relu", args(_CUBE), {"alpha": -0.3}, "negative", FLOATS)
    yield Recipe("silu", args(_CUBE), {"alpha": 1.7}, "alpha", FLOATS)
    yield Recipe("identity", args(_CUBE), {}, "", (*ANY, *ALL_INTEGERS[4:], *TINY), scalar=True)
    for op, low, high in (("acos", -1, 1), ("asin", -1, 1), ("atanh", -0.9, 0.9), ("acosh", 1, 4), ("log1p", -0.9, 3)):
        yield Recipe(op, args(_CUBE, values=between(low, high)), {}, "inside", FLOATS)


def _binary() -> Iterator[Recipe]:
    spread = (("n", 1, "k"), ("b", 1, "m", 1))
    for op in ("add", "sub", "mul", "min", "max", "less", "equal"):
        yield Recipe(op, args(*spread), {}, "broadcast", ("float32", "int32"))
    for op in ("add", "mul"):
        yield Recipe(op, args(_CUBE, _CUBE), {}, "", ALL_NUMBERS, scalar=True)
        yield Recipe(op, args(("n", "k"), ("k",)), {}, "row", ("float32", "int64"), constant=(1,))
        yield Recipe(op, args(("n", "k"), ()), {}, "one", ("float32", "int64"))
    divided = (Arg(_CUBE), Arg(_CUBE, values=nonzero))
    yield Recipe("div", args(_CUBE, _CUBE), {}, "", FLOATS, scalar=True)
    yield Recipe("div", divided, {}, "integer", ALL_INTEGERS, scalar=True)
    yield Recipe("mod", divided, {}, "", NUMBERS, "none", scalar=True)
    yield Recipe("mod", divided, {"fmod": True}, "fmod", NUMBERS, "none")
    powers = (Arg(_CUBE, values=between(0.5, 3)), Arg(_CUBE, values=between(-2, 2)))
    yield Recipe("pow", powers, {}, "", FLOATS, scalar=True)
    yield Recipe("pow", (Arg(_CUBE), Arg(_CUBE, values=between(0, 4))), {}, "integer", INTEGERS)
    shifted = (Arg(_CUBE, values=between(0, 50)), Arg(_CUBE, values=between(0, 6)))
    for op in ("shift_left", "shift_right"):
        yield Recipe(op, shifted, {}, "", ALL_INTEGERS, scalar=True)
    for op in ("equal", "not_equal", "logical_and", "logical_or", "logical_xor"):
        yield Recipe(op, args(_CUBE, _CUBE), {}, "bool", BOOL, scalar=True)
    yield Recipe("prelu", args(("b", "c", "n"), ("c", 1)), {}, "", FLOATS, constant=(1,))


def _several() -> Iterator[Recipe]:
    condition = Arg(_CUBE, "bool")
    yield Recipe("where", (condition, *args(_CUBE, _CUBE)), {}, "", ANY, scalar=True)
    yield Recipe("where", (Arg(("n", 1), "bool"), *args(("k",), ())), {}, "broadcast", ("float32", "int32"))
    for op in ("min", "max", "sum", "mean"):
        yield Recipe(op, args(_CUBE, _CUBE, ("k",)), {}, "three", ("float32", "float16", "int32"))
    limits = (Arg((), values=between(-2, -1)), Arg((), values=between(1, 2)))
    yield Recipe("clip_between", (Arg(_CUBE), *limits), {}, "", (*FLOATS, "int8", "int32", "int64"), "infinite")


def _casts() -> Iterator[Recipe]:
    for wanted in _CASTS:
        # From floats to unsigned or small integers only what fits is defined.
        values = between(0, 100)
        name = f"to-{wanted.replace('_', '-')}"
        yield Recipe("cast", args(_CUBE, values=values), {"dtype": dtype(wanted)}, name, _SOURCES, "none")
    yield Recipe("cast", args(_CUBE), {"dtype": dtype("float32")}, "special", ("float64", "float16", "bfloat16"))
    for source, wanted in (("float32", "int32"), ("float16", "uint16"), ("int64", "float64")):
        yield Recipe("reinterpret", args(_CUBE), {"dtype": dtype(wanted)}, f"to-{wanted}", (source,), scalar=True)
    yield Recipe("cast_exponent", args(_CUBE, values=between(0.1, 30)), {}, "", FLOATS, "none")
    scale = Arg((), "", between(0.05, 0.1))
    for wanted in ("int8", "uint8", "int16", "uint16", "int32"):
        name = f"to-{wanted}"
        yield Recipe("quantize_linear", (Arg(_CUBE), scale), {"dtype": dtype(wanted)}, name, FLOATS, "none")
    rows = (Arg(("n", "c", "w")), Arg(("c",), "", between(0.05, 0.1)), Arg(("c",), "int8"))
    yield Recipe("quantize_linear", rows, {"dtype": dtype("int8"), "axis": 1}, "axis", ("float32", "float16"), "none")
    for kind in ("int8", "uint8", "int32"):
        whole = (Arg(_CUBE, kind), scale, Arg((), kind))
        yield Recipe("dequantize_linear", whole, {}, f"of-{kind}", FLOATS, "none")
