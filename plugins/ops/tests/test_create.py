from __future__ import annotations

import numpy as np
import pytest

from tondo.interp import run_tensor_function
from tondo.ir import FLOAT32, INT32, INT64, Attrs, OpCall, Var, dtype
from tondo_ops import OPERATORS


def make(op, scalars=None, **attrs):
    call = OpCall(op, (), Attrs(attrs))
    function = OPERATORS[op].define(call)
    assert [buffer.dtype for buffer in function.output_buffers] == [OPERATORS[op].infer(call)[0].dtype]
    (result,) = run_tensor_function(function, [], None, scalars)
    return result


def test_range(run):
    np.testing.assert_array_equal(make("range", count=5), np.arange(5))
    np.testing.assert_array_equal(
        make("range", start=10, step=-3, count=3, dtype=INT32), np.arange(10, 1, -3, np.int32)
    )
    np.testing.assert_allclose(
        make("range", start=0.5, step=0.25, count=4, dtype=FLOAT32), np.arange(0.5, 1.5, 0.25), rtol=1e-6
    )
    assert make("range", count=0).shape == (0,)


def test_symbolic_range():
    n, past = Var("n"), Var("past")
    np.testing.assert_array_equal(make("range", {"n": 3, "past": 7}, start=past, count=n), [7, 8, 9])


@pytest.mark.parametrize("kind", ["float32", "int64", "bool", "float16", "bfloat16"])
def test_fill(kind):
    result = make("fill", shape=(2, 3), value=1, dtype=dtype(kind))
    np.testing.assert_array_equal(result, np.ones((2, 3), dtype(kind).numpy))
    assert make("fill", shape=(), value=1, dtype=dtype(kind)).shape == ()


def test_symbolic_fill():
    n = Var("n")
    np.testing.assert_array_equal(make("fill", {"n": 3}, shape=(n,), value=n * 2, dtype=INT64), [6, 6, 6])


@pytest.mark.parametrize("k", [-1, 0, 2])
def test_eye(k):
    np.testing.assert_array_equal(make("eye", shape=(3, 4), k=k), np.eye(3, 4, k, np.float32))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8, np.float32])
def test_one_hot_follows_onnxruntime(run, ort, axis, kind):
    indices = np.array([[0, 2, 4], [3, 1, 7]]).astype(kind)
    if kind == np.int64:
        indices[0] = [-1, -5, -6]
    ours = run("one_hot", indices, depth=5, axis=axis, on=3, off=-1)
    eye = np.full((8, 5), -1, np.float32)
    np.fill_diagonal(eye, 3)
    wrapped = np.where(indices.astype(int) < 0, indices.astype(int) + 5, indices.astype(int))
    wanted = eye[np.where(wrapped < 0, 7, wrapped)]
    np.testing.assert_array_equal(ours, np.moveaxis(wanted, -1, axis))
