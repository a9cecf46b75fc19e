"""NonMaxSuppression and Unique as machine code, compared with onnxruntime."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import tondo

F, I = TensorProto.FLOAT, TensorProto.INT64


def check(nodes, inputs, outputs, constants, *feeds):
    made = helper.make_model(
        helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info(*entry) for entry in inputs],
            [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    compiled = tondo.compile(made, threads=2)
    for feed in feeds:
        for mine, wanted in zip(compiled.run(feed).values(), session.run(None, feed), strict=True):
            assert mine.dtype == wanted.dtype
            np.testing.assert_array_equal(mine, wanted)


@pytest.mark.parametrize("given", [("most", "overlap", "least"), ("most", "overlap", ""), ("most", "", "")])
@pytest.mark.parametrize("center", [0, 1])
def test_suppression(given, center):
    generator = np.random.default_rng(center)
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores", *given], ["y"], center_point_box=center)
    constants = {"most": np.array([6], np.int64), "overlap": np.array([0.4], "f"), "least": np.array([0.5], "f")}
    feeds = []
    for batches, classes, count in ((1, 1, 1), (2, 3, 40), (1, 2, 7)):
        corner, size = generator.random((2, batches, count, 2)).astype("f")
        boxes = np.concatenate([corner, size if center else corner + size], axis=2)
        feeds.append({"boxes": boxes, "scores": generator.random((batches, classes, count)).astype("f")})
    inputs = [("boxes", F, ["b", "n", 4]), ("scores", F, ["b", "c", "n"])]
    check([node], inputs, [("y", I)], {name: constants[name] for name in given if name}, *feeds)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_unique(order, axis):
    generator = np.random.default_rng(order)
    attributes = {} if axis is None else {"axis": axis}
    node = helper.make_node("Unique", ["x"], ["y", "first", "inverse", "count"], sorted=order, **attributes)
    feeds = [{"x": generator.integers(0, high, (rows, 4)).astype("f")} for rows, high in ((1, 2), (3, 2), (30, 3))]
    outputs = [("y", F), *[(name, I) for name in ("first", "inverse", "count")]]
    check([node], [("x", F, ["n", 4])], outputs, {}, *feeds)


def test_unique_of_what_contents_decide():
    """The elements that are not zero may be none at all."""
    nodes = [
        helper.make_node("Greater", ["x", "zero"], ["mask"]),
        helper.make_node("Compress", ["x", "mask"], ["kept"]),
        helper.make_node("Unique", ["kept"], ["y", "", "", "count"]),
    ]
    feeds = [{"x": np.array(values, "f")} for values in ([1, 2, 1, 0, 3], [1, 1, 1, 1, 1])]
    check(nodes, [("x", F, [5])], [("y", F), ("count", I)], {"zero": np.float32(0)}, *feeds)
