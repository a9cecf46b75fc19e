"""Convolutions and pools: padding modes, ceil mode, integers; against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError

F = "float32"


@pytest.mark.parametrize(
    "pad", [{"pads": [1, 0, 2, 1]}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}, {"auto_pad": "VALID"}]
)
@pytest.mark.parametrize("strides", [[1, 1], [2, 3]])
def test_conv_padding(tools, rng, pad, strides):
    node = tools.node("Conv", ["x", "w", "b"], strides=strides, group=2, **pad)
    constants = {"w": rng.normal(size=(6, 2, 3, 3)).astype(F), "b": rng.normal(size=6).astype(F)}
    model = tools.model([node], {"x": (F, ("n", 4, 9, 8))}, constants=constants)
    tools.check(model, rng.normal(size=(2, 4, 9, 8)).astype(F))


def test_same_padding_of_symbolic_sizes(tools, rng):
    node = tools.node("Conv", ["x", "w"], strides=[2, 2], auto_pad="SAME_UPPER")
    model = tools.model([node], {"x": (F, (1, 1, "h", "w_"))}, constants={"w": rng.normal(size=(1, 1, 3, 3)).astype(F)})
    for size in (5, 6, 7):
        tools.check(model, rng.normal(size=(1, 1, size, size + 1)).astype(F))


@pytest.mark.parametrize(
    "extra",
    [
        {"pads": [1, 1, 0, 1]},
        {"output_padding": [1, 0]},
        {"output_shape": [10, 9]},
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER"},
    ],
)
def test_conv_transpose(tools, rng, extra):
    node = tools.node("ConvTranspose", ["x", "w"], strides=[2, 2], **extra)
    model = tools.model([node], {"x": (F, (1, 2, 4, 5))}, constants={"w": rng.normal(size=(2, 3, 3, 3)).astype(F)})
    tools.check(model, rng.normal(size=(1, 2, 4, 5)).astype(F))


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize("size", [5, 6, 7, 8])
def test_pool_ceil_mode(tools, rng, op, ceil, size):
    node = tools.node(op, ["x"], kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 1, 1], ceil_mode=ceil)
    tools.check(
        tools.model([node], {"x": (F, ("n", 2, size, size))}, opset=19), rng.normal(size=(1, 2, size, size)).astype(F)
    )


def test_pool_counts_padding_on_request(tools, rng):
    node = tools.node("AveragePool", ["x"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
    tools.check(tools.model([node], {"x": (F, (1, 1, 4, 4))}), rng.normal(size=(1, 1, 4, 4)).astype(F))


@pytest.mark.parametrize("order", [0, 1])
def test_max_pool_indices(tools, rng, order):
    node = tools.node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2], strides=[2, 2], storage_order=order)
    model = tools.model([node], {"x": (F, (2, 2, 4, 6))}, ["y", "i"])
    tools.check(model, rng.permutation(96).reshape(2, 2, 4, 6).astype(F))


def test_ceil_mode_of_a_symbolic_size_is_refused(tools):
    node = tools.node("MaxPool", ["x"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    with pytest.raises(TondoError, match="ceil_mode over a symbolic dimension") as caught:
        tools.load(tools.model([node], {"x": (F, (1, 1, "h", 8))}))
    assert caught.value.code == "TND-M003"


def test_conv_integer(tools, rng):
    node = tools.node("ConvInteger", ["x", "w", "xz", "wz"], pads=[1, 1, 1, 1])
    constants = {"w": rng.integers(0, 255, (2, 1, 3, 3)).astype("uint8"), "xz": np.uint8(7), "wz": np.uint8(3)}
    model = tools.model([node], {"x": ("uint8", (1, 1, 5, 5))}, constants=constants)
    tools.check(model, rng.integers(0, 255, (1, 1, 5, 5)).astype("uint8"))


def test_qlinear_conv_with_scales_per_channel(tools, rng):
    names = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    constants = {
        "xs": np.float32(0.1),
        "xz": np.uint8(128),
        "w": rng.integers(-127, 127, (4, 3, 3, 3)).astype("int8"),
        "ws": rng.uniform(0.01, 0.02, 4).astype(F),
        "wz": np.zeros(4, "int8"),
        "ys": np.float32(0.5),
        "yz": np.uint8(120),
        "b": rng.integers(-50, 50, 4).astype("int32"),
    }
    model = tools.model([tools.node("QLinearConv", names)], {"x": ("uint8", ("n", 3, 6, 6))}, constants=constants)
    tools.check(model, rng.integers(0, 255, (2, 3, 6, 6)).astype("uint8"), atol=1)
