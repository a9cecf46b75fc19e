"""Uses of operators that normalise."""

from __future__ import annotations

from collections.abc import Iterator

from tondo_conformance.operators.recipe import Arg, Recipe, args
from tondo_conformance.values import FLOATS, between

_IMAGE = ("b", 6, "h", "w")
_SPREAD = between(0.5, 2)
_SOME = ("float32", "float16")


def recipes() -> Iterator[Recipe]:
    """Yield every use."""
    channels = args((6,), (6,))
    batch = (Arg(_IMAGE), *args((6,), (6,), (6,)), Arg((6,), "", _SPREAD))
    yield Recipe("batch_norm", batch, {"epsilon": 1e-3}, "", FLOATS, "nan", constant=(1, 2, 3, 4))
    for op, arguments in (
        ("layer_norm", args(("b", "n", "k"), ("k",), ("k",))),
        ("rms_norm", args(("b", "n", "k"), ("k",))),
    ):
        weights = tuple(range(1, len(arguments)))
        yield Recipe(op, arguments, {}, "", FLOATS, "none", ("k",), ("b", "n"), constant=weights, least={"k": 4})
        yield Recipe(op, args(("b", "n", "k")), {"axis": 1}, "two", _SOME, "none", ("n", "k"), ("b",), least={"k": 4})
    yield Recipe("instance_norm", (Arg(_IMAGE), *channels), {}, "", FLOATS, "none", ("h", "w"), ("b",), least={"h": 4})
    grouped = {"groups": 3, "epsilon": 1e-3}
    yield Recipe("group_norm", (Arg(_IMAGE), *channels), grouped, "", FLOATS, "none", ("h", "w"), ("b",))
    yield Recipe("lrn", args(_IMAGE), {"size": 3}, "", FLOATS, "nan", empty=("b", "h", "w"))
    for power in (1, 2):
        attrs = {"axis": 1, "p": power}
        yield Recipe("lp_normalization", args(("b", "n", "k")), attrs, f"p{power}", FLOATS, "none", ("n",))
    one, least = {"epsilon": 1e-3}, {"b": 2, "h": 4}
    yield Recipe(
        "mean_variance_normalization",
        args(_IMAGE),
        one,
        "",
        FLOATS,
        "none",
        ("b", "h", "w"),
        (),
        least=least,
    )
