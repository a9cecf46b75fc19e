"""Uses of products that sum up: matrices and their relatives."""

from __future__ import annotations

from collections.abc import Iterator

from tondo.ir import dtype
from tondo_conformance.operators.recipe import Arg, Recipe, args
from tondo_conformance.values import FLOATS, INTEGERS, NUMBERS

_SUMMED = ("k",)


def recipes() -> Iterator[Recipe]:
    """Yield every use."""
    yield Recipe("matmul", args(("n", "k"), ("k", "m")), {}, "", NUMBERS, "nan", _SUMMED, constant=(1,))
    yield Recipe("matmul", args(("b", "n", "k"), ("b", "k", "m")), {}, "batch", FLOATS, "nan", _SUMMED)
    yield Recipe("matmul", args(("b", 1, "n", "k"), ("c", "k", "m")), {}, "broadcast", ("float32",), "nan", _SUMMED)
    yield Recipe("matmul", args(("b", "n", "k"), ("k", "m")), {}, "weights", FLOATS, "nan", _SUMMED, constant=(1,))
    yield Recipe("matmul", args(("n", "k"), ("k",)), {}, "vector", ("float32", "float16"), "nan", _SUMMED)
    yield Recipe("matmul", args(("k",), ("k",)), {}, "dot", ("float32", "int32"), "nan", _SUMMED)
    yield Recipe("matmul", args(("k",), ("k", "m")), {}, "row", ("float32",), "nan", _SUMMED, constant=(1,))
    wide = {"out_dtype": dtype("int32")}
    yield Recipe("matmul", args(("n", "k"), ("k", "m")), wide, "wide", ("int8", "uint8"), "none", _SUMMED)
    mixed = (Arg(("n", "k"), "uint8"), Arg(("k", "m"), "int8"))
    yield Recipe("matmul", mixed, wide, "mixed", ("uint8",), "none", _SUMMED, constant=(1,))
    yield Recipe("gemm", args(("n", "k"), ("k", "m"), ("m",)), {}, "", FLOATS, "nan", _SUMMED, constant=(1, 2))
    scaled = {"alpha": 0.5, "beta": 1.5, "trans_a": True, "trans_b": True}
    yield Recipe(
        "gemm", args(("k", "n"), ("m", "k"), ("n", 1)), scaled, "turned", ("float32", "float64"), "nan", ("k",)
    )
    yield Recipe("gemm", args(("n", "k"), ("k", "m")), {"alpha": 3.0}, "scaled", ("float32",), "nan", _SUMMED)
    for equation, shapes, name in (
        ("bnk,bmk->bnm", (("b", "n", "k"), ("b", "m", "k")), "attention"),
        ("bnk,km,n->bm", (("b", "n", "k"), ("k", "m"), ("n",)), "three"),
        ("ii->i", ((6, 6),), "diagonal"),
        ("ij->ji", (("n", "m"),), "turned"),
        ("...k,...k->...", (("b", "n", "k"), ("b", "n", "k")), "inner"),
    ):
        yield Recipe("einsum", args(*shapes), {"equation": equation}, name, ("float32", "float64"), "nan", ("n", "k"))
    integers = (*INTEGERS[:2], "int8")
    yield Recipe("einsum", args(("n", "k"), ("k", "m")), {"equation": "ij,jk"}, "implicit", integers, "none", _SUMMED)
