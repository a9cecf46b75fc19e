"""Elementwise operators of all versions, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

F = "float32"
UNARY = {
    "Abs": {},
    "Ceil": {},
    "Cos": {},
    "Erf": {},
    "Exp": {},
    "Floor": {},
    "Neg": {},
    "Relu": {},
    "Round": {},
    "Sigmoid": {},
    "Sign": {},
    "Sin": {},
    "Softplus": {},
    "Softsign": {},
    "Tanh": {},
    "HardSwish": {},
    "Identity": {},
    "Elu": {"alpha": 0.7},
    "Celu": {"alpha": 1.5},
    "Selu": {},
    "LeakyRelu": {"alpha": 0.2},
    "ThresholdedRelu": {"alpha": 0.5},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "Shrink": {"bias": 0.1, "lambd": 0.4},
}


@pytest.mark.parametrize("op", UNARY)
def test_unary(tools, rng, op):
    model = tools.model([tools.node(op, ["x"], **UNARY[op])], {"x": (F, ("n", 5))})
    module = tools.check(model, rng.normal(size=(3, 5)).astype(F))
    assert [param.name for param in module.graph().params] == ["x"]


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "PRelu"])
def test_binary_broadcasts(tools, rng, op):
    model = tools.model(
        [tools.node(op, ["a", "b"])], {"a": (F, ("n", 1, 4)), "b": (F, (3, 1) if op != "PRelu" else (1, 4))}
    )
    b = rng.uniform(0.5, 2, size=(3, 1) if op != "PRelu" else (1, 4)).astype(F)
    tools.check(model, rng.uniform(0.5, 2, size=(2, 1, 4)).astype(F), b)


@pytest.mark.parametrize("op", ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"])
def test_comparison(tools, op):
    model = tools.model([tools.node(op, ["a", "b"])], {"a": ("int64", (4,)), "b": ("int64", (4,))})
    tools.check(model, np.array([1, 2, 3, 4]), np.array([4, 2, 0, 5]))


@pytest.mark.parametrize(("shape", "axis"), [((3,), 1), ((4, 5), 2), ((3, 4), 1), ((2,), 0)])
@pytest.mark.parametrize("op", ["Add", "Mul", "Sub"])
def test_old_broadcast_follows_its_axis(tools, rng, op, shape, axis):
    node = tools.node(op, ["a", "b"], broadcast=1, axis=axis)
    model = tools.model([node], {"a": (F, (2, 3, 4, 5)), "b": (F, shape)}, opset=6)
    a, b = rng.normal(size=(2, 3, 4, 5)).astype(F), rng.normal(size=shape).astype(F)
    (got,) = tools.run(tools.load(model), [a, b])
    spread = b.reshape((*shape, *[1] * (4 - axis - len(shape))))
    np.testing.assert_allclose(got, {"Add": np.add, "Mul": np.multiply, "Sub": np.subtract}[op](a, spread), rtol=1e-6)


def test_old_prelu_slope_belongs_to_channels(tools, rng):
    model = tools.model([tools.node("PRelu", ["x", "s"])], {"x": (F, (2, 3, 4, 4)), "s": (F, (3,))}, opset=6)
    x, s = rng.normal(size=(2, 3, 4, 4)).astype(F), rng.normal(size=3).astype(F)
    (got,) = tools.run(tools.load(model), [x, s])
    np.testing.assert_allclose(got, np.where(x < 0, x * s[:, None, None], x), rtol=1e-6)


def test_clip_by_attributes_and_inputs(tools, rng):
    x = rng.normal(size=6).astype(F)
    old = tools.model([tools.node("Clip", ["x"], min=-0.5, max=0.5)], {"x": (F, (6,))}, opset=6)
    tools.check(old, x)
    bounds = {"low": np.float32(-0.25), "high": np.float32(0.75)}
    new = tools.model([tools.node("Clip", ["x", "low", "high"])], {"x": (F, (6,))}, constants=bounds)
    assert tools.check(new, x).graph().bindings[0].operation.attrs["low"] == -0.25
    only = tools.model([tools.node("Clip", ["x", "", "high"])], {"x": (F, (6,))}, constants=bounds)
    tools.check(only, x)
    live = tools.model([tools.node("Clip", ["x", "low"])], {"x": (F, (6,)), "low": (F, ())})
    tools.check(live, x, np.float32(0.1))


@pytest.mark.parametrize("exponent", [2.0, 0.5, 3.0, -1.0])
def test_constant_exponent_becomes_an_attribute(tools, rng, exponent):
    model = tools.model([tools.node("Pow", ["x", "e"])], {"x": (F, (5,))}, constants={"e": np.float32(exponent)})
    module = tools.check(model, rng.uniform(0.1, 2, size=5).astype(F))
    assert module.graph().bindings[0].operation.op == "pow_scalar"


def test_integer_power_of_a_float_exponent(tools):
    model = tools.model([tools.node("Pow", ["x", "e"])], {"x": ("int64", (3,))}, constants={"e": np.float32(2)})
    tools.check(model, np.array([1, 2, 3]))


def test_where_and_logic(tools, rng):
    nodes = [
        tools.node("Less", ["a", "b"], ["c"]),
        tools.node("Not", ["c"], ["d"]),
        tools.node("And", ["c", "d"], ["e"]),
        tools.node("Or", ["c", "e"], ["f"]),
        tools.node("Xor", ["f", "d"], ["g"]),
        tools.node("Where", ["f", "a", "b"], ["y"]),
    ]
    model = tools.model(nodes, {"a": (F, (4,)), "b": (F, (2, 1))}, ["y", "g"])
    tools.check(model, rng.normal(size=4).astype(F), rng.normal(size=(2, 1)).astype(F))


@pytest.mark.parametrize(
    ("source", "target"), [(F, "int64"), (F, "bool"), ("int64", F), ("bool", F), (F, "float16"), ("int64", "uint8")]
)
def test_cast(tools, source, target):
    import onnx

    to = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(target))
    model = tools.model([tools.node("Cast", ["x"], to=to)], {"x": (source, (4,))})
    tools.check(model, np.array([0, 1, 2.5, 3]).astype(source))


def test_first_cast_names_its_type(tools):
    model = tools.model([tools.node("Cast", ["x"], to="INT32")], {"x": (F, (2,))}, opset=5)
    (got,) = tools.run(tools.load(model), [np.array([1.5, -2.5], F)])
    assert got.dtype == np.int32
    assert got.tolist() == [1, -2]


@pytest.mark.parametrize("opset", [7, 10, 12, 13])
def test_dropout_is_the_identity(tools, rng, opset):
    attributes = {"ratio": 0.3} if opset < 12 else {}
    model = tools.model(
        [tools.node("Dropout", ["x"], ["y", "mask"], **attributes)], {"x": (F, (3,))}, ["y", "mask"], opset=opset
    )
    x = rng.normal(size=3).astype(F)
    got, mask = tools.run(tools.load(model), [x])
    np.testing.assert_array_equal(got, x)
    assert mask.dtype == (np.bool_ if opset >= 10 else np.float32)
    assert mask.all()


def test_mod_and_shift(tools):
    model = tools.model([tools.node("Mod", ["a", "b"])], {"a": ("int64", (4,)), "b": ("int64", (4,))})
    tools.check(model, np.array([5, -5, 5, -5]), np.array([3, 3, -3, -3]))
    shift = tools.model(
        [tools.node("BitShift", ["a", "b"], direction="LEFT")], {"a": ("uint8", (2,)), "b": ("uint8", (2,))}
    )
    tools.check(shift, np.array([1, 3], "uint8"), np.array([2, 1], "uint8"))
