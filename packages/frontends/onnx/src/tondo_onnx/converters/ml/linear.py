"""Linear models and support vector machines.

A machine that decides between classes does so for each pair of them: the votes decide, or with ``prob_a`` and
``prob_b`` the probabilities. These are given for two classes only; those of more are solutions of an iteration without
a fixed number of steps, which is refused.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tondo.ir import FLOAT32, INT64
from tondo_onnx.build.values import Value
from tondo_onnx.converters.ml import scores
from tondo_onnx.nodes.site import Site, Versions, since


def _matrix(site: Site) -> Value:
    x = site.arg(0)
    wide = site.cast(x, FLOAT32)
    return site.reshape(wide, (1, *wide.dims)) if wide.rank == 1 else wide


def _list(site: Site, name: str) -> np.ndarray:
    return np.array(site.attributes.numbers(name) or (), np.float32)


def _shaped(site: Site, numbers: np.ndarray, rows: int) -> np.ndarray:
    if rows < 1 or not numbers.size or numbers.size % rows:
        site.invalid(f"{numbers.size} coefficients cannot be those of {rows}")
    return numbers.reshape(rows, -1)


def _product(site: Site, x: Value, rows: np.ndarray) -> Value:
    """Return the products of the rows of ``x`` with ``rows``."""
    return site.call("matmul", x, site.builder.constant(np.ascontiguousarray(rows.T), "coefficients"))


def _linear_scores(site: Site, x: Value, count: int) -> Value:
    result = _product(site, x, _shaped(site, _list(site, "coefficients"), count))
    base = _list(site, "intercepts")
    return site.call("add", result, scores.row(site, base, result)) if base.size else result


def _linear_regressor(site: Site) -> Value:
    result = _linear_scores(site, _matrix(site), site.attributes.integer("targets", 1))
    return scores.transformed(site, result)


def _linear_classifier(site: Site) -> tuple[Value, Value]:
    labels = scores.label_count(site)
    count = max(_list(site, "intercepts").size, 1) if labels <= 2 else labels
    result = _linear_scores(site, _matrix(site), count)
    if count > 1:
        return scores.labelled(site, scores.best(site, result)), scores.transformed(site, result)
    places = scores.above(site, result, 0.0)
    return scores.labelled(site, places), scores.second_class(site, result, positive=True)


# -- support vectors


def _kernel(site: Site, x: Value, vectors: np.ndarray) -> Value:
    """Return the kernel of the rows of ``x`` and the support vectors."""
    kind = site.attributes.text("kernel_type", "LINEAR")
    gamma, offset, degree = (*(site.attributes.numbers("kernel_params") or (0.0, 0.0, 0.0)), 0.0, 0.0, 0.0)[:3]
    product = _product(site, x, vectors)
    if kind == "LINEAR":
        return product
    if kind == "RBF":
        squares = site.call("reduce_sum_square", x, axes=(1,), keepdims=True)
        others = scores.row(site, (vectors.astype(np.float64) ** 2).sum(1), x)
        twice = site.call("mul", product, scores.real(site, 2.0, x))
        distance = site.call("relu", site.call("sub", site.call("add", squares, others), twice))
        return site.call("exp", site.call("mul", distance, scores.real(site, -gamma, x)))
    scaled = site.call("mul", product, scores.real(site, gamma, x))
    shifted = site.call("add", scaled, scores.real(site, offset, x))
    if kind == "SIGMOID":
        return site.call("tanh", shifted)
    if kind == "POLY":
        return site.call("pow_scalar", shifted, exponent=degree)
    return site.invalid(f"kernel_type is '{kind}'")


def _svm_regressor(site: Site) -> Value:
    x, coefficients = _matrix(site), _list(site, "coefficients")
    supports = site.attributes.integer("n_supports", 0)
    if supports:
        x = _kernel(site, x, _shaped(site, _list(site, "support_vectors"), supports))
    elif site.attributes.text("kernel_type", "LINEAR") != "LINEAR":
        site.invalid("a kernel needs support vectors")
    total = _product(site, x, coefficients.reshape(1, -1))
    result = site.call("add", total, scores.row(site, _list(site, "rho")[:1], total))
    if not site.attributes.flag("one_class"):
        return scores.transformed(site, result)
    inside = site.call("greater", result, scores.real(site, 0.0, result))
    return site.call("where", inside, scores.real(site, 1.0, result), scores.real(site, -1.0, result))


def _pairs(site: Site, x: Value, counts: tuple[int, ...]) -> Value:
    """Return the decisions ``[rows, pairs]`` between classes i < j; above 0 for i."""
    total, classes = sum(counts), len(counts)
    if classes < 2 or min(counts) < 0:
        site.invalid("vectors_per_class must count the vectors of at least two classes")
    kernels = _kernel(site, x, _shaped(site, _list(site, "support_vectors"), total))
    own = _shaped(site, _list(site, "coefficients"), classes - 1)
    begin = np.concatenate([[0], np.cumsum(counts)])
    rows: list[np.ndarray] = []
    for i in range(classes):
        for j in range(i + 1, classes):
            row = np.zeros(total, np.float32)
            row[begin[i] : begin[i + 1]] = own[j - 1, begin[i] : begin[i + 1]]
            row[begin[j] : begin[j + 1]] = own[i, begin[j] : begin[j + 1]]
            rows.append(row)
    result = _product(site, kernels, np.array(rows))
    return site.call("add", result, scores.row(site, _list(site, "rho")[: len(rows)], result))


def _votes(site: Site, decisions: Value, classes: int) -> Value:
    """Return how many decisions each class wins, int64 ``[rows, classes]``."""
    pairs = [(i, j) for i in range(classes) for j in range(i + 1, classes)]
    for_first = np.array([[int(k == i) for i, _ in pairs] for k in range(classes)], np.int64)
    for_second = np.array([[int(k == j) for _, j in pairs] for k in range(classes)], np.int64)
    won = site.call("unsqueeze", site.call("greater", decisions, scores.real(site, 0.0, decisions)), axes=(1,))
    tables = [site.builder.constant(table, "votes") for table in (for_first, for_second)]
    return site.call("reduce_sum", site.call("where", won, *tables), axes=(2,), keepdims=False)


def _svm_classifier(site: Site) -> tuple[Value, Value]:
    counts = site.attributes.ints("vectors_per_class") or ()
    x, classes = _matrix(site), max(scores.label_count(site), 1)
    if not sum(counts):
        return _liblinear(site, x, classes)
    decisions = _pairs(site, x, counts)
    votes = site.cast(_votes(site, decisions, classes), INT64)
    if not _list(site, "prob_a").size:
        if classes == 2:
            return scores.labelled(site, scores.best(site, votes)), _decided(site, decisions)
        return scores.labelled(site, scores.best(site, votes)), scores.transformed(site, decisions)
    if classes != 2:
        site.refuse("probabilities of more than two classes")
    if not _list(site, "prob_b").size:
        site.invalid("prob_b is missing")
    slope, offset = (float(_list(site, name)[0]) for name in ("prob_a", "prob_b"))
    scaled = site.call("mul", decisions, scores.real(site, -slope, decisions))
    first = site.call("sigmoid", site.call("sub", scaled, scores.real(site, offset, decisions)))
    low, high = (scores.real(site, value, first) for value in (1e-7, 1 - 1e-7))
    first = site.call("clip_between", first, low, high)
    second = site.call("sub", scores.real(site, 1.0, first), first)
    pair = scores.both(site, first, second)
    return scores.labelled(site, scores.best(site, pair)), scores.transformed(site, pair)


def _decided(site: Site, decision: Value) -> Value:
    """Return the scores of two classes from the only decision, which is above 0 for the first."""
    kind = site.attributes.text("post_transform", "NONE")
    pair = scores.both(site, site.call("neg", decision), decision)
    return pair if kind == "NONE" else scores.transformed(site, pair)


def _liblinear(site: Site, x: Value, classes: int) -> tuple[Value, Value]:
    result = _product(site, x, _shaped(site, _list(site, "coefficients"), classes))
    result = site.call("add", result, scores.row(site, _list(site, "rho")[:1], result))
    return scores.labelled(site, scores.best(site, result)), scores.transformed(site, result)


CONVERTERS: Final[dict[str, Versions]] = {
    "LinearRegressor": since(_linear_regressor),
    "LinearClassifier": since(_linear_classifier),
    "SVMRegressor": since(_svm_regressor),
    "SVMClassifier": since(_svm_classifier),
}
