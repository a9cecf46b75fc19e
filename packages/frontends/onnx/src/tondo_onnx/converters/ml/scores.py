"""What happens to the scores of a learned model: the transformations of ``ai.onnx.ml`` and the labels of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from tondo.ir import Expr
from tondo_onnx.build.kinds import Texts
from tondo_onnx.build.values import Value
from tondo_onnx.converters.objects.emit import made
from tondo_onnx.nodes.site import Site

_SMALL: Final = 1e-7
"""Scores up to here count as zero for SOFTMAX_ZERO."""
_WINITZKI: Final = 0.147
"""Constant of the approximation of the inverse error function (Winitzki, 2008)."""


def real(site: Site, value: float, like: Value) -> Value:
    """Return a constant of the type of ``like``."""
    return site.scalar(value, like.dtype)


def row(site: Site, numbers: Sequence[float] | np.ndarray, like: Value) -> Value:
    """Return a constant vector of the type of ``like``."""
    return site.builder.constant(np.asarray(numbers, like.dtype.numpy), "row")


def transformed(site: Site, scores: Value, name: str | None = None) -> Value:
    """Return ``scores [rows, classes]`` after the attribute ``post_transform``, or after the one called ``name``."""
    kind = site.attributes.text("post_transform", "NONE") if name is None else name
    match kind:
        case "NONE":
            return scores
        case "LOGISTIC":
            return site.call("sigmoid", scores)
        case "SOFTMAX":
            return site.call("softmax", scores, axis=-1)
        case "SOFTMAX_ZERO":
            return _softmax_zero(site, scores)
        case "PROBIT":
            return _probit(site, scores)
        case _:
            return site.invalid(f"post_transform is '{kind}'")


def _softmax_zero(site: Site, scores: Value) -> Value:
    """Softmax in which zeros keep the share that they have in the sum."""
    high = site.call("reduce_max", scores, axes=(-1,), keepdims=True)
    powers = site.call("exp", site.call("sub", scores, high))
    others = site.call("mul", scores, site.call("exp", site.call("neg", high)))
    counts = site.call("greater", site.call("abs", scores), real(site, _SMALL, scores))
    parts = site.call("where", counts, powers, others)
    return site.call("div", parts, site.call("reduce_sum", parts, axes=(-1,), keepdims=True))


def _probit(site: Site, scores: Value) -> Value:
    """The quantile of the normal distribution, by an approximation of the inverse error function."""
    centered = site.call("sub", site.call("mul", scores, real(site, 2.0, scores)), real(site, 1.0, scores))
    inside = site.call("sub", real(site, 1.0, scores), site.call("mul", centered, centered))
    log = site.call("log", inside)
    half = site.call("mul", log, real(site, 0.5, scores))
    first = site.call("add", half, real(site, 2 / (math.pi * _WINITZKI), scores))
    second = site.call("mul", log, real(site, 1 / _WINITZKI, scores))
    root = site.call("sqrt", site.call("sub", site.call("mul", first, first), second))
    size = site.call("sqrt", site.call("sub", root, first))
    signed = site.call("mul", site.call("sign", centered), size)
    return site.call("mul", signed, real(site, math.sqrt(2.0), scores))


def both(site: Site, first: Value, second: Value) -> Value:
    """Return two columns side by side."""
    return site.call("concat", first, second, axis=1)


def column(site: Site, scores: Value, index: int) -> Value:
    """Return one column of ``scores`` as ``[rows, 1]``."""
    return site.call("slice", scores, axes=(1,), starts=(index,), ends=(index + 1,), steps=(1,))


def class_labels(site: Site) -> tuple[int, ...]:
    """Return the numbers of the classes, from whichever attribute the operator has."""
    for name in ("classlabels_int64s", "classlabels_ints"):
        if name in site.attributes:
            return site.attributes.ints(name) or ()
    return ()


def labelled(site: Site, places: Value) -> Value:
    """Return the labels of classes, numbers or texts, by their positions ``[rows]``."""
    texts = site.attributes.texts("classlabels_strings")
    if texts:
        return made(site, "text.pick", (places,), Texts(places.rank), values=texts)
    labels = class_labels(site)
    if not labels:
        return places
    return site.call("gather", site.vector(labels), places, axis=0)


def best(site: Site, scores: Value) -> Value:
    """Return the position of the largest score of each row."""
    return site.call("argmax", scores, axis=1, keepdims=False)


def above(site: Site, scores: Value, limit: float) -> Value:
    """Return 1 for rows whose only score is above ``limit``, else 0, int64 ``[rows]``."""
    rows: Expr = scores.dims[0]
    flags = site.call("greater", site.reshape(scores, (rows,)), real(site, limit, scores))
    return site.call("where", flags, site.vector([1]), site.vector([0]))


def label_count(site: Site) -> int:
    """Return the number of classes that have labels."""
    return len(site.attributes.texts("classlabels_strings") or class_labels(site))


def second_class(site: Site, score: Value, positive: bool) -> Value:
    """Return the scores of two classes ``[rows, 2]`` from that of the second, ``[rows, 1]``.

    Scores that cannot be negative count as probabilities. Only LOGISTIC transforms them.
    """
    kind = site.attributes.text("post_transform", "NONE")
    if kind == "PROBIT":
        return transformed(site, score)
    if kind == "LOGISTIC" or not positive:
        pair = both(site, site.call("neg", score), score)
        return transformed(site, pair) if kind == "LOGISTIC" else pair
    return both(site, site.call("sub", real(site, 1.0, score), score), score)
