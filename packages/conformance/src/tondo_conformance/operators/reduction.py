"""Uses of operators that take many elements to one, or run along an axis."""

from __future__ import annotations

from collections.abc import Iterator

from tondo_conformance.operators.recipe import Arg, Recipe, args
from tondo_conformance.values import ALL_NUMBERS, ANY, BOOL, FLOATS, NUMBERS, between

_CUBE = ("b", "n", "k")
_SUMS = ("reduce_sum", "reduce_mean", "reduce_l1", "reduce_l2", "reduce_sum_square", "reduce_log_sum_exp")
_EXTREMES = ("reduce_max", "reduce_min")


def recipes() -> Iterator[Recipe]:
    """Yield every use."""
    for op in _SUMS:
        for name, attrs in _axes():
            dtypes = _sum_types(op) if not name else ("float32", "int32")
            yield Recipe(op, args(_CUBE), attrs, name, dtypes, "nan", ("b", "n", "k"), scalar=name == "all")
    yield Recipe("reduce_log_sum", args(_CUBE, values=between(0.5, 2)), {"axes": (-1,)}, "", FLOATS, "nan", ("k",))
    yield Recipe(
        "reduce_prod", args(_CUBE, values=between(0.9, 1.1)), {"axes": (-1,)}, "", FLOATS, "nan", ("k",), scalar=False
    )
    yield Recipe("reduce_prod", args(("n", "k"), values=between(1, 2)), {"axes": (0,)}, "integer", ("int64", "int32"))
    for op in _EXTREMES:
        for name, attrs in _axes():
            dtypes = NUMBERS if not name else ("float32", "int32")
            yield Recipe(op, args(_CUBE), attrs, name, dtypes, "infinite", scalar=name == "all")
    for op in ("reduce_any", "reduce_all"):
        for name, attrs in _axes():
            yield Recipe(op, args(_CUBE), attrs, name, BOOL, scalar=name == "all")
    for op in ("argmax", "argmin"):
        # Of nothing there is no largest element.
        yield Recipe(op, args(_CUBE), {"axis": -1}, "", NUMBERS, "none", empty=("b", "n"))
        attrs = {"axis": 1, "keepdims": False, "select_last": True}
        yield Recipe(op, args(_CUBE), attrs, "last", ("float32", "int8"), "none", empty=("b", "k"))
    yield from _along()


def _sum_types(op: str) -> tuple[str, ...]:
    return ALL_NUMBERS if op == "reduce_sum" else NUMBERS


def _axes() -> Iterator[tuple[str, dict[str, object]]]:
    yield "", {"axes": (-1,)}
    yield "first", {"axes": (0,), "keepdims": False}
    yield "two", {"axes": (0, 2), "keepdims": False}
    yield "all", {"keepdims": False}


def _along() -> Iterator[Recipe]:
    for op in ("cumsum", "cumprod"):
        values = between(0.9, 1.1) if op == "cumprod" else between(-3, 3)
        dtypes = FLOATS if op == "cumprod" else NUMBERS
        signless = tuple(name for name in dtypes if not name.startswith("uint"))
        yield Recipe(op, args(_CUBE, values=values), {"axis": 1}, "", signless, "nan", ("n",))
        attrs = {"axis": 2, "exclusive": True, "reverse": True}
        yield Recipe(op, args(_CUBE, values=values), attrs, "reverse", ("float32",), "nan", ("k",))
    for op in ("softmax", "log_softmax"):
        yield Recipe(op, args(_CUBE), {}, "", FLOATS, "none", ("k",), empty=("b", "n"))
        yield Recipe(op, args(_CUBE), {"axis": 1}, "middle", ("float32", "float16"), "none", ("n",), empty=("b", "k"))
    yield Recipe("hardmax", args(_CUBE), {}, "", FLOATS, "none", empty=("b", "n"))
    yield Recipe("top_k", args(_CUBE), {"k": 3}, "", NUMBERS, "none", empty=("b", "n"), least={"k": 3})
    least = {"axis": 1, "largest": False, "k": 1}
    yield Recipe("top_k", args(_CUBE), least, "smallest", ("float32", "int32"), "none", empty=("b", "k"))
    yield Recipe("det", args(("b", 4, 4)), {}, "", FLOATS, "none", (64,))
    yield Recipe("trilu", args(_CUBE), {"k": 1}, "upper", ANY, scalar=False)
    yield Recipe("trilu", (Arg(_CUBE), Arg((), "int64", between(-2, 2))), {"upper": False}, "lower", ("float32",))
