"""What the library takes computes what it was shown; what it does not take has a reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tondo.ir import Invoke, walk
from tondo.passes import Miss
from tondo_blas.library import OpenBlas


def products(offer):
    """Return the calls of gemm in what the library brings."""
    found = [item for item in walk(offer.function.body) if isinstance(item, Invoke)]
    return [item for item in found if item.callee.endswith("gemm")]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((5, 7), (7, 6)),
        ((1, 7), (7, 6)),
        ((5, 7), (7, 1)),
        ((5, 1), (1, 6)),
        ((7,), (7, 6)),
        ((5, 7), (7,)),
        ((7,), (7,)),
        ((3, 5, 7), (3, 7, 6)),
        ((2, 3, 5, 7), (2, 3, 7, 6)),
        ((2, 3, 5, 7), (1, 3, 7, 6)),
        ((3, 5, 7), (2, 1, 7, 6)),
        ((2, 3, 5, 7), (7, 6)),
    ],
)
def test_matmul(defined, check, numbers, left, right, kind):
    arrays = [numbers(*left, kind=kind), numbers(*right, kind=kind, seed=1)]
    tolerance = 1e-5 if kind is np.float32 else 1e-12
    offer = check(defined("matmul", *arrays), arrays, tolerance)
    assert offer.seconds > 0
    assert [item.callee for item in products(offer)] == ["openblas:sgemm" if kind is np.float32 else "openblas:dgemm"]
    symbolic = check(defined("matmul", *arrays, sizes=(5, 2, 3)), arrays, tolerance)
    if {5, 2, 3} & {*left, *right}:
        assert symbolic.seconds is None


@pytest.mark.parametrize(
    "equation", ["mk,nk->mn", "km,kn->mn", "km,nk->nm", "bmk,bnk->bmn", "bmhk,bnhk->bhmn", "mk,bkn->bmn"]
)
def test_transposed_operands_and_results(defined, check, numbers, equation):
    sizes = {"b": 2, "h": 3, "m": 5, "n": 6, "k": 7}
    terms = equation.split("->")[0].split(",")
    arrays = [numbers(*(sizes[axis] for axis in term), seed=i) for i, term in enumerate(terms)]
    offer = check(defined("einsum", *arrays, equation=equation), arrays, 1e-5)
    assert len(products(offer)) == 1


@pytest.mark.parametrize(
    ("x", "w", "bias", "attributes"),
    [
        ((2, 4, 9, 9), (8, 4, 3, 3), False, {"pads": (1, 1, 1, 1)}),
        ((2, 4, 9, 9), (8, 4, 3, 3), True, {"pads": (1, 0, 2, 1), "strides": (2, 1)}),
        ((2, 4, 9, 9), (8, 4, 1, 1), True, {}),
        ((2, 4, 9, 9), (8, 4, 1, 1), True, {"strides": (2, 2)}),
        ((2, 4, 9, 9), (4, 1, 3, 3), False, {"groups": 4, "pads": (1, 1, 1, 1)}),
        ((2, 4, 11), (8, 4, 3), True, {"dilations": (2,)}),
        ((2, 4, 9, 9), (8, 4, 9, 9), False, {}),
        ((1, 2, 5, 6, 7), (3, 2, 2, 2, 2), True, {"pads": (1, 0, 0, 0, 1, 0)}),
    ],
)
def test_convolutions(defined, check, numbers, x, w, bias, attributes):
    arrays = [numbers(*x), numbers(*w, seed=1), *([numbers(w[0], seed=2)] if bias else [])]
    check(defined("conv", *arrays, **attributes), arrays, 1e-4)
    check(defined("conv", *arrays, sizes=(x[0], 11), **attributes), arrays, 1e-4)


@settings(derandomize=True, deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_windows_of_any_form(data, defined, check, numbers):
    size = [data.draw(st.integers(3, 9)) for _ in range(2)]
    kernel = [data.draw(st.integers(1, 3)) for _ in range(2)]
    pads = tuple(data.draw(st.integers(0, 2)) for _ in range(4))
    strides = tuple(data.draw(st.integers(1, 3)) for _ in range(2))
    channels, out = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    arrays = [numbers(2, channels, *size), numbers(out, channels, *kernel, seed=1)]
    symbolic = data.draw(st.booleans())
    function = defined("conv", *arrays, sizes=(2,) if symbolic else (), pads=pads, strides=strides)
    check(function, arrays, 1e-4)


@pytest.mark.parametrize(
    ("op", "shapes", "attributes", "reason"),
    [
        ("relu", [(4, 4)], {}, "no single product"),
        ("softmax", [(4, 4)], {"axis": -1}, "no single product"),
        ("matmul", [(4, 4), (4, 4)], {"kind": np.float16}, "other elements than its result"),
        ("matmul", [(4, 4), (4, 4)], {"kind": np.int32}, "neither float32 nor float64"),
        ("conv", [(1, 6, 9, 9), (8, 3, 3, 3), (8,)], {"groups": 2}, "more than a bias"),
        ("gemm", [(5, 6), (6, 7), (7,)], {"alpha": 2.0}, "more than a bias"),
        ("einsum", [(3, 4, 5), (5, 4)], {"equation": "mab,ba->m"}, "not in the same order"),
    ],
)
def test_what_is_not_taken_has_a_reason(defined, numbers, target, op, shapes, attributes, reason):
    kind = attributes.pop("kind", np.float32) if "kind" in attributes else np.float32
    function = defined(op, *(numbers(*shape, kind=kind) for shape in shapes), **attributes)
    answer = OpenBlas().match(function, target)
    assert isinstance(answer, Miss)
    assert reason in answer.reason


def test_names_do_not_matter(defined, numbers, target):
    function = defined("matmul", numbers(5, 7), numbers(7, 6))
    answer = OpenBlas().match(replace(function, name="relu"), target)
    assert answer.function is not None
