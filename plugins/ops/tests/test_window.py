from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.ir import INT32, Attrs, Block, Const, OpCall, TensorType, Var, dims, dtype, walk
from tondo_ops import OPERATORS

_CONV = [  # x, w, attributes
    ((2, 3, 8), (4, 3, 3), {}),
    ((1, 3, 7, 6), (4, 3, 3, 3), {"pads": (1, 1, 1, 1)}),
    ((2, 2, 7, 7), (3, 2, 3, 2), {"strides": (2, 3), "pads": (1, 0, 2, 1)}),
    ((1, 2, 9, 8), (3, 2, 3, 3), {"dilations": (2, 1), "strides": (1, 2)}),
    ((1, 4, 5, 5), (4, 1, 3, 3), {"groups": 4, "pads": (1, 1, 1, 1)}),
    ((1, 4, 5, 5), (8, 1, 3, 3), {"groups": 4}),
    ((2, 6, 5, 4), (3, 2, 1, 1), {"groups": 3}),
    ((2, 6, 5, 4), (9, 2, 3, 2), {"groups": 3, "strides": (2, 1)}),
    ((1, 2, 4, 5, 4), (3, 2, 2, 3, 2), {"pads": (0, 1, 0, 1, 1, 0)}),
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    ((0, 3, 5, 5), (2, 3, 3, 3), {}),
]


def onnx_window(attrs, kernel):
    names = {"groups": "group", "extra": None, "count_include_pad": "count_include_pad"}
    made = {names.get(name, name): value for name, value in attrs.items()}
    made.pop(None, None)
    return {**made, "kernel_shape": kernel}


@pytest.mark.parametrize(("x", "w", "attrs"), _CONV)
@pytest.mark.parametrize("with_bias", [False, True])
def test_conv_follows_onnxruntime(run, ort, rng, x, w, attrs, with_bias):
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in (x, w, *(((w[0],),) if with_bias else ()))]
    wanted = ort("Conv", *arrays, **onnx_window(attrs, w[2:])) if x[0] else np.zeros((0, 2, 3, 3), np.float32)
    np.testing.assert_allclose(run("conv", *arrays, **attrs), wanted, rtol=1e-4, atol=1e-5)


def test_conv_of_integers(run, rng):
    x, w = rng.integers(-100, 100, (1, 2, 4, 4)).astype(np.int8), rng.integers(-100, 100, (3, 2, 3, 3)).astype(np.int8)
    exact = run("conv", x.astype(np.float64), w.astype(np.float64))
    np.testing.assert_array_equal(run("conv", x, w, out_dtype=INT32), exact.astype(np.int32))


@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16])
def test_conv_of_narrow_floats_sums_in_float32(run, rng, kind):
    x, w = (rng.normal(size=shape).astype(kind) for shape in [(1, 8, 4, 4), (2, 8, 3, 3)])
    exact = run("conv", x.astype(np.float32), w.astype(np.float32))
    np.testing.assert_array_equal(run("conv", x, w), exact.astype(kind))


def stages(function):
    return {item.name: item for item in walk(function.body) if isinstance(item, Block)}


def conv_function(x, w, **attrs):
    types = tuple(TensorType(dims(shape), dtype("float32")) for shape in (x, w))
    return OPERATORS["conv"].define(OpCall("conv", types, Attrs(attrs)))


def test_conv_is_one_contraction_with_an_optional_pad_stage():
    n = Var("n")
    assert list(stages(conv_function((n, 3, 8, 8), (4, 3, 3, 3)))) == ["conv"]
    padded = stages(conv_function((n, 3, 8, 8), (4, 3, 3, 3), pads=(1, 1, 1, 1)))
    assert list(padded) == ["padded", "conv"]
    assert len(padded["conv"].iters) == 7
    assert list(stages(conv_function((n, 8, 8, 8), (8, 1, 3, 3), groups=8))) == ["conv"]
    assert list(stages(conv_function((n, 8, 8, 8), (8, 2, 3, 3), groups=4))) == ["conv", "y"]


def test_conv_result_has_symbolic_sizes():
    h = Var("h")
    call = OpCall(
        "conv", (TensorType(dims((1, 3, h, 9)), dtype("float32")), TensorType(dims((4, 3, 3, 3)), dtype("float32")))
    )
    (result,) = OPERATORS["conv"].infer(call)
    assert result.dims == (Const(1), Const(4), h - 2, Const(7))


@pytest.mark.parametrize(
    ("x", "w", "attrs", "reason"),
    [
        ((1, 3, 4, 4), (2, 4, 3, 3), {}, "channels of the weights"),
        ((1, 3, 2, 2), (2, 3, 3, 3), {}, "window is larger"),
        ((1, 4, 4, 4), (3, 2, 3, 3), {"groups": 2}, "groups do not divide"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"strides": (1,)}, "'strides' has 1 items"),
        ((1, 3, 4, 4), (2, 3, 3), {}, "needs an argument of rank 4"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"strides": (0, 1)}, "must be positive"),
        ((1, 3, 4, 4), (2, 3, 3, 3), {"pads": (0, 0, -1, 0)}, "must not be negative"),
    ],
)
def test_conv_refusals(x, w, attrs, reason):
    with pytest.raises(TondoError, match=reason):
        conv_function(x, w, **attrs)


_TRANSPOSED = [
    ((1, 3, 5), (3, 2, 3), {}),
    ((2, 3, 4, 5), (3, 2, 3, 3), {"strides": (2, 2), "pads": (1, 1, 1, 1), "output_padding": (1, 1)}),
    ((1, 2, 3, 3), (2, 3, 2, 2), {"strides": (2, 3)}),
    ((1, 2, 5, 4), (2, 3, 3, 2), {"dilations": (2, 1), "strides": (1, 2)}),
    ((1, 4, 3, 3), (4, 2, 3, 3), {"groups": 2, "strides": (2, 2), "pads": (0, 1, 1, 0)}),
    ((1, 2, 2, 3, 2), (2, 1, 2, 2, 3), {"strides": (2, 1, 2)}),
    ((1, 2, 3, 3), (2, 3, 1, 1), {}),
]


@pytest.mark.parametrize(("x", "w", "attrs"), _TRANSPOSED)
@pytest.mark.parametrize("with_bias", [False, True])
def test_conv_transpose_follows_onnxruntime(run, ort, rng, x, w, attrs, with_bias):
    channels = w[1] * attrs.get("groups", 1)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in (x, w, *(((channels,),) if with_bias else ()))]
    wanted = ort("ConvTranspose", *arrays, **onnx_window(attrs, w[2:]))
    np.testing.assert_allclose(run("conv_transpose", *arrays, **attrs), wanted, rtol=1e-4, atol=1e-5)


_POOL = [  # x, attributes, whether ceil_mode asks for the extra
    ((1, 2, 9), {"kernel": (3,)}, False),
    ((2, 3, 6, 7), {"kernel": (2, 2), "strides": (2, 2)}, False),
    ((1, 2, 7, 7), {"kernel": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)}, False),
    ((1, 2, 7, 8), {"kernel": (3, 2), "strides": (2, 1), "pads": (1, 0, 0, 1)}, False),
    ((1, 2, 6, 6), {"kernel": (3, 3), "strides": (2, 2), "extra": (1, 1)}, True),
    ((1, 2, 6, 7), {"kernel": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1), "extra": (1, 0)}, True),
    ((1, 1, 8, 8), {"kernel": (2, 2), "dilations": (3, 2), "strides": (2, 1)}, False),
    ((1, 1, 8, 8), {"kernel": (3, 3), "dilations": (2, 2), "pads": (2, 1, 1, 2)}, False),
    ((1, 2, 4, 5, 4), {"kernel": (2, 2, 2), "strides": (1, 2, 1)}, False),
]


def theirs(attrs, *, ceil):
    kept = {("kernel_shape" if name == "kernel" else name): value for name, value in attrs.items() if name != "extra"}
    return {**kept, "ceil_mode": int(ceil)}


@pytest.mark.parametrize(("shape", "attrs", "ceil"), _POOL)
def test_max_pool_follows_onnxruntime(run, ort, rng, shape, attrs, ceil):
    x = rng.normal(size=shape).astype(np.float32) - 2
    np.testing.assert_array_equal(run("max_pool", x, **attrs), ort("MaxPool", x, **theirs(attrs, ceil=ceil)))
    if "dilations" not in attrs:
        values, places = run("max_pool", x, indices=True, **attrs)
        wanted, wanted_places = ort("MaxPool", x, outputs=2, **theirs(attrs, ceil=ceil))
        np.testing.assert_array_equal(values, wanted)
        np.testing.assert_array_equal(places, wanted_places)


def test_max_pool_of_integers(run, ort, rng):
    x = rng.integers(-128, 127, (1, 2, 5, 5)).astype(np.int8)
    attrs = {"kernel": (3, 3), "pads": (1, 1, 1, 1)}
    np.testing.assert_array_equal(run("max_pool", x, **attrs), ort("MaxPool", x, **theirs(attrs, ceil=False)))


def test_max_pool_counts_columns_first(run, ort, rng):
    x = rng.normal(size=(1, 2, 4, 6)).astype(np.float32)
    _, places = run("max_pool", x, kernel=(2, 2), strides=(2, 2), indices=True, column_major=True)
    _, wanted = ort("MaxPool", x, outputs=2, kernel_shape=(2, 2), strides=(2, 2), storage_order=1)
    np.testing.assert_array_equal(places, wanted)


@pytest.mark.parametrize(("shape", "attrs", "ceil"), _POOL)
@pytest.mark.parametrize("count", [False, True])
def test_average_pool_follows_onnxruntime(run, ort, rng, shape, attrs, ceil, count):
    x = rng.normal(size=shape).astype(np.float32)
    wanted = ort("AveragePool", x, opset=19, count_include_pad=int(count), **theirs(attrs, ceil=ceil))
    np.testing.assert_allclose(run("average_pool", x, count_include_pad=count, **attrs), wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_lp_pool_follows_onnxruntime(run, ort, rng, p):
    x = rng.normal(size=(1, 2, 7, 6)).astype(np.float32)
    attrs = {"kernel": (3, 2), "strides": (2, 1), "pads": (1, 0, 1, 1)}
    wanted = ort("LpPool", x, p=p, kernel_shape=(3, 2), strides=(2, 1), pads=(1, 0, 1, 1))
    np.testing.assert_allclose(run("lp_pool", x, p=p, **attrs), wanted, rtol=1e-4, atol=1e-6)


def test_pool_refusals(run):
    x = np.zeros((1, 1, 4, 4), np.float32)
    with pytest.raises(TondoError, match="'kernel' has 1 items"):
        run("max_pool", x, kernel=(2,))
    with pytest.raises(TondoError, match="window is larger"):
        run("max_pool", x, kernel=(5, 2))
