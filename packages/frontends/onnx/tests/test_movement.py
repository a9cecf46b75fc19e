"""Data movement and creation, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

F = "float32"
HUGE = np.iinfo(np.int64).max


def _ints(**values):
    return {name: np.array(value, np.int64) for name, value in values.items()}


@pytest.mark.parametrize("target", [[2, -1], [0, -1], [-1], [0, 0, 2, 2], [3, 8]])
def test_reshape(tools, rng, target):
    model = tools.model([tools.node("Reshape", ["x", "s"])], {"x": (F, (2, 3, 4))}, constants=_ints(s=target))
    tools.check(model, rng.normal(size=(2, 3, 4)).astype(F))


def test_reshape_keeps_symbols_apart(tools, rng):
    nodes = [tools.node("Reshape", ["x", "s"], ["a"]), tools.node("Reshape", ["a", "t"])]
    model = tools.model(nodes, {"x": (F, ("n", "m", 12))}, constants=_ints(s=[0, 0, 3, 4], t=[-1, 6]))
    module = tools.check(model, rng.normal(size=(2, 5, 12)).astype(F))
    shapes = [binding.var.tensor.dims for binding in module.graph().bindings]
    assert str(shapes[0][2].value) == "3"
    assert "floordiv" not in repr(shapes)


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([1], [3], [0], [1]),
        ([-2], [HUGE], [1], [1]),
        ([0, 1], [-1, 100], [1, 0], [2, 1]),
        ([-1], [-HUGE], [1], [-1]),
        ([4], [0], [1], [-2]),
    ],
)
def test_slice(tools, rng, starts, ends, axes, steps):
    x = rng.normal(size=(4, 6)).astype(F)
    new = tools.model(
        [tools.node("Slice", ["x", "s", "e", "a", "t"])],
        {"x": (F, (4, 6))},
        constants=_ints(s=starts, e=ends, a=axes, t=steps),
    )
    tools.check(new, x)
    if set(steps) == {1}:
        tools.check(
            tools.model([tools.node("Slice", ["x"], starts=starts, ends=ends, axes=axes)], {"x": (F, (4, 6))}, opset=9),
            x,
        )


@pytest.mark.parametrize("opset", [2, 13, 18])
def test_split(tools, rng, opset):
    x = rng.normal(size=(2, 6)).astype(F)
    outputs = ["a", "b", "c"]
    extra = {"num_outputs": 3} if opset == 18 else {}
    model = tools.model(
        [tools.node("Split", ["x"], outputs, axis=1, **extra)], {"x": (F, (2, 6))}, outputs, opset=opset
    )
    tools.check(model, x)
    if opset == 2:
        sized = tools.model(
            [tools.node("Split", ["x"], outputs, axis=1, split=[1, 2, 3])], {"x": (F, (2, 6))}, outputs, opset=2
        )
    else:
        sized = tools.model(
            [tools.node("Split", ["x", "p"], outputs, axis=1)],
            {"x": (F, (2, 6))},
            outputs,
            _ints(p=[1, 2, 3]),
            opset=opset,
        )
    tools.check(sized, x)


def test_uneven_split(tools, rng):
    model = tools.model([tools.node("Split", ["x"], ["a", "b"], num_outputs=2)], {"x": (F, (5,))}, ["a", "b"], opset=18)
    tools.check(model, rng.normal(size=5).astype(F))


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_pad(tools, rng, mode):
    x = rng.normal(size=(3, 4)).astype(F)
    new = tools.model(
        [tools.node("Pad", ["x", "p", "v", "a"], mode=mode)],
        {"x": (F, (3, 4))},
        constants={**_ints(p=[1, 2], a=[1]), "v": np.float32(2.5)},
        opset=19,
    )
    tools.check(new, x)
    if mode != "wrap":
        tools.check(
            tools.model(
                [tools.node("Pad", ["x"], mode=mode, pads=[1, 1, 0, 2], value=1.5)], {"x": (F, (3, 4))}, opset=2
            ),
            x,
        )


def test_squeeze_and_unsqueeze_of_both_kinds(tools, rng):
    x = rng.normal(size=(3, 1, 4)).astype(F)
    for opset in (11, 13):
        if opset == 11:
            nodes = [tools.node("Squeeze", ["x"], ["a"], axes=[-2]), tools.node("Unsqueeze", ["a"], axes=[0, -1])]
            constants = {}
        else:
            nodes = [tools.node("Squeeze", ["x", "s"], ["a"]), tools.node("Unsqueeze", ["a", "u"])]
            constants = _ints(s=[-2], u=[0, -1])
        tools.check(tools.model(nodes, {"x": (F, ("n", 1, 4))}, constants=constants, opset=opset), x)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_flatten(tools, rng, axis):
    tools.check(
        tools.model([tools.node("Flatten", ["x"], axis=axis)], {"x": (F, ("n", 3, 4))}),
        rng.normal(size=(2, 3, 4)).astype(F),
    )


def test_expand_tile_concat_transpose(tools, rng):
    nodes = [
        tools.node("Expand", ["x", "e"], ["a"]),
        tools.node("Tile", ["a", "r"], ["b"]),
        tools.node("Concat", ["b", "b"], ["c"], axis=-1),
        tools.node("Transpose", ["c"], perm=[2, 0, 1]),
    ]
    model = tools.model(nodes, {"x": (F, ("n", 1))}, constants=_ints(e=[2, 1, 3], r=[1, 2, 1]))
    tools.check(model, rng.normal(size=(4, 1)).astype(F))


def test_gather_family(tools, rng):
    x = rng.normal(size=(3, 4)).astype(F)
    indices = np.array([[0, -1], [2, 1]])
    for op in ("Gather", "GatherElements"):
        model = tools.model([tools.node(op, ["x", "i"], axis=1)], {"x": (F, (3, 4)), "i": ("int64", (2, 2))})
        tools.check(model, x, indices)
    tools.check(
        tools.model([tools.node("GatherND", ["x", "i"])], {"x": (F, (3, 4)), "i": ("int64", (2, 2))}),
        x,
        np.array([[0, 3], [2, 1]]),
    )


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatter_family(tools, rng, reduction):
    x, updates = rng.normal(size=(3, 4)).astype(F), rng.normal(size=(2, 4)).astype(F)
    elements = tools.node("ScatterElements", ["x", "i", "u"], axis=0, reduction=reduction)
    inputs = {"x": (F, (3, 4)), "i": ("int64", (2, 4)), "u": (F, (2, 4))}
    tools.check(tools.model([elements], inputs, opset=18), x, np.array([[0, 1, 2, 0], [1, 0, 0, 2]]), updates)
    rows = tools.node("ScatterND", ["x", "i", "u"], reduction=reduction)
    inputs = {"x": (F, (3, 4)), "i": ("int64", (2, 1)), "u": (F, (2, 4))}
    tools.check(tools.model([rows], inputs, opset=18), x, np.array([[2], [0]]), updates)


def test_depth_and_space(tools, rng):
    nodes = [
        tools.node("DepthToSpace", ["x"], ["a"], blocksize=2, mode="CRD"),
        tools.node("SpaceToDepth", ["a"], blocksize=2),
    ]
    tools.check(tools.model(nodes, {"x": (F, ("n", 8, 2, 3))}), rng.normal(size=(1, 8, 2, 3)).astype(F))


def test_creation(tools):
    nodes = [
        tools.node("Shape", ["x"], ["s"]),
        tools.node("ConstantOfShape", ["s"], ["z"]),
        tools.node("EyeLike", ["x"], ["e"]),
        tools.node("Range", ["zero", "ten", "three"], ["r"]),
        tools.node("OneHot", ["i", "depth", "values"], ["o"], axis=0),
        tools.node("Trilu", ["x"], ["t"], upper=0),
        tools.node("Size", ["x"], ["n"]),
    ]
    constants = {
        "zero": np.int64(0),
        "ten": np.int64(10),
        "three": np.int64(3),
        "depth": np.int64(4),
        "values": np.array([0.5, 2], F),
    }
    model = tools.model(
        nodes, {"x": (F, ("a", "b")), "i": ("int64", (3,))}, ["s", "z", "e", "r", "o", "t", "n"], constants
    )
    tools.check(model, np.ones((2, 3), F), np.array([0, 3, -1]))


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
def test_resize_by_scales_and_sizes(tools, rng, mode, coordinates):
    x = rng.normal(size=(1, 2, 4, 5)).astype(F)
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates}
    scales = {"s": np.array([1, 1, 2, 1.5], F)}
    tools.check(
        tools.model([tools.node("Resize", ["x", "", "s"], **attributes)], {"x": (F, (1, 2, 4, 5))}, constants=scales),
        x,
        atol=1e-4,
    )
    sizes = tools.model(
        [tools.node("Resize", ["x", "", "", "z"], **attributes)],
        {"x": (F, (1, 2, 4, 5))},
        constants=_ints(z=[1, 2, 7, 3]),
    )
    tools.check(sizes, x, atol=1e-4)


@pytest.mark.parametrize("opset", [7, 9])
def test_upsample(tools, rng, opset):
    scales = np.array([1, 1, 2, 3], F)
    if opset == 7:
        model = tools.model(
            [tools.node("Upsample", ["x"], scales=scales.tolist())], {"x": (F, ("n", 1, 2, 3))}, opset=7
        )
    else:
        model = tools.model(
            [tools.node("Upsample", ["x", "s"])], {"x": (F, ("n", 1, 2, 3))}, constants={"s": scales}, opset=9
        )
    tools.check(model, rng.normal(size=(2, 1, 2, 3)).astype(F))
