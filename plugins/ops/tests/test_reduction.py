from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.ir import Attrs, Block, OpCall, TensorType, Var, dims, dtype, walk
from tondo_ops import OPERATORS


def logsumexp(x, axis, keepdims):
    largest = x.max(axis=axis, keepdims=True, initial=-np.inf)
    result = np.log(np.sum(np.exp(x - largest), axis=axis, keepdims=True)) + largest
    return result if keepdims else result.reshape(np.sum(x, axis=axis).shape)


_REDUCE = {
    "reduce_sum": lambda x, **k: np.sum(x, **k),
    "reduce_mean": lambda x, **k: np.mean(x, **k),
    "reduce_max": lambda x, **k: np.max(x, **k),
    "reduce_min": lambda x, **k: np.min(x, **k),
    "reduce_prod": lambda x, **k: np.prod(x, **k),
    "reduce_l1": lambda x, **k: np.sum(np.abs(x), **k),
    "reduce_l2": lambda x, **k: np.sqrt(np.sum(x * x, **k)),
    "reduce_sum_square": lambda x, **k: np.sum(x * x, **k),
    "reduce_log_sum": lambda x, **k: np.log(np.sum(x, **k)),
    "reduce_log_sum_exp": logsumexp,
}


@settings(max_examples=25)
@given(data=st.data())
@pytest.mark.parametrize("name", sorted(_REDUCE))
def test_reductions_follow_numpy(run, name, data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axes = data.draw(st.none() | st.lists(st.integers(0, len(shape) - 1), max_size=len(shape), unique=True))
    keep = data.draw(st.booleans())
    x = np.random.default_rng(3).uniform(0.5, 2, shape).astype(np.float32)
    signed = axes if axes is None else tuple(axis - len(shape) if axis % 2 else axis for axis in axes)
    ours = run(name, x, axes=signed, keepdims=keep)
    wanted = _REDUCE[name](x.astype(np.float64), axis=None if axes is None else tuple(axes), keepdims=keep)
    np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_sum_square", "reduce_l1"]
)
def test_reductions_of_integers(run, rng, name):
    x = rng.integers(-4, 5, (3, 4)).astype(np.int32)
    np.testing.assert_array_equal(run(name, x, axes=(1,)), _REDUCE[name](x, axis=1, keepdims=True))


def test_mean_of_integers_truncates(run):
    np.testing.assert_array_equal(run("reduce_mean", np.array([1, 2, 4], np.int32)), [2])
    np.testing.assert_array_equal(run("reduce_mean", np.array([-1, -2, -4], np.int32)), [-2])


def test_reduction_of_a_scalar(run):
    assert run("reduce_sum", np.float32(3)) == 3


def test_reduction_of_nothing(run):
    x = np.zeros((0, 3), np.float32)
    np.testing.assert_array_equal(run("reduce_sum", x, axes=(0,)), np.zeros((1, 3)))
    np.testing.assert_array_equal(run("reduce_max", x, axes=(0,)), np.full((1, 3), -np.inf))


def test_narrow_floats_are_summed_in_float32(run):
    x = np.full((4096,), 1, np.float16)
    assert run("reduce_sum", x, keepdims=False) == 4096
    assert run("reduce_mean", x, keepdims=False) == 1


def test_truth_values(run, rng):
    x = rng.random((3, 4)) < 0.3
    np.testing.assert_array_equal(run("reduce_any", x, axes=(0,), keepdims=False), x.any(axis=0))
    np.testing.assert_array_equal(run("reduce_all", x, axes=(1,)), x.all(axis=1, keepdims=True))


def test_log_sum_exp_does_not_overflow(run):
    x = np.array([[1000.0, 1000.0], [-np.inf, -np.inf]], np.float32)
    np.testing.assert_allclose(
        run("reduce_log_sum_exp", x, axes=(1,), keepdims=False), [1000 + np.log(2), -np.inf], rtol=1e-6
    )


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_places_follow_onnxruntime(run, ort, rng, name, axis, last, keep):
    x = rng.integers(0, 4, (3, 5, 4)).astype(np.float32)
    theirs = ort(
        {"argmax": "ArgMax", "argmin": "ArgMin"}[name], x, axis=axis, select_last_index=int(last), keepdims=int(keep)
    )
    np.testing.assert_array_equal(run(name, x, axis=axis, select_last=last, keepdims=keep), theirs)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums_follow_onnxruntime(run, ort, rng, axis, exclusive, reverse):
    x = rng.integers(-5, 5, (3, 4, 2)).astype(np.float32)
    theirs = ort("CumSum", x, np.array(axis), exclusive=int(exclusive), reverse=int(reverse))
    np.testing.assert_array_equal(run("cumsum", x, axis=axis, exclusive=exclusive, reverse=reverse), theirs)


def test_running_products_and_edge_sizes(run, rng):
    x = rng.integers(1, 4, (2, 5)).astype(np.int64)
    np.testing.assert_array_equal(run("cumprod", x, axis=1), np.cumprod(x, axis=1))
    np.testing.assert_array_equal(run("cumsum", x[:, :1], axis=1), x[:, :1])
    np.testing.assert_array_equal(run("cumsum", x[:, :0], axis=1), x[:, :0])


@pytest.mark.parametrize(
    ("name", "kind"), [("softmax", "Softmax"), ("log_softmax", "LogSoftmax"), ("hardmax", "Hardmax")]
)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_follows_onnxruntime(run, ort, rng, name, kind, axis):
    x = rng.normal(0, 30, (3, 4, 5)).round(1).astype(np.float32)
    np.testing.assert_allclose(run(name, x, axis=axis), ort(kind, x, axis=axis), rtol=1e-4, atol=1e-5)


def test_hardmax_marks_the_first_of_equals(run):
    np.testing.assert_array_equal(run("hardmax", np.array([2, 5, 5], np.float32)), [0, 1, 0])


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("axis", [0, -1])
def test_top_k_follows_onnxruntime(run, ort, rng, largest, axis):
    x = rng.integers(0, 5, (4, 6)).astype(np.float32)
    values, places = run("top_k", x, k=3, axis=axis, largest=largest)
    wanted, wanted_places = ort("TopK", x, np.array([3]), axis=axis, largest=int(largest), outputs=2)
    np.testing.assert_array_equal(values, wanted)
    np.testing.assert_array_equal(places, wanted_places)


def test_softmax_has_four_stages():
    call = OpCall("softmax", (TensorType(dims((Var("n"), 8)), dtype("float32")),), Attrs(axis=-1))
    blocks = [item for item in walk(OPERATORS["softmax"].define(call).body) if isinstance(item, Block)]
    assert [block.name for block in blocks] == ["largest", "power", "total", "y"]


def test_refusals(run):
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(TondoError, match="axis 2 is out of range for rank 2"):
        run("softmax", x, axis=2)
    with pytest.raises(TondoError, match="repeat an axis"):
        run("reduce_sum", x, axes=(0, -2))
    with pytest.raises(TondoError, match="k is not between"):
        run("top_k", x, k=4)
    with pytest.raises(TondoError, match="axis is empty"):
        run("argmax", x[:0])
