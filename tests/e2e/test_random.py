"""Random operators of compiled models: distributions, seeds, calls."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

import tondo
import tondo_runtime

COUNT = 40_000
CONFIG = {"cache": False}


def compiled(*nodes, shape=("rows", "columns"), target="native"):
    names = [node.output[0] for node in nodes]
    graph = helper.make_graph(
        list(nodes), "g", [helper.make_tensor_value_info("x", 1, list(shape))],
        [helper.make_empty_tensor_value_info(name) for name in names],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return tondo.compile(made, target=target, config=CONFIG)


def test_moments():
    model = compiled(
        helper.make_node("RandomUniformLike", ["x"], ["a"], low=-1.0, high=3.0),
        helper.make_node("RandomNormalLike", ["x"], ["b"], mean=2.0, scale=0.5),
        helper.make_node("RandomNormalLike", ["x"], ["c"], dtype=11),
    )
    tondo_runtime.seed(11)
    a, b, c = model(np.zeros((200, COUNT // 200), np.float32))
    wide = 4 / np.sqrt(COUNT)
    assert abs(a.mean() - 1) < 4 / np.sqrt(12) * wide
    assert abs(a.var() - 16 / 12) < 2 * wide
    assert -1 <= a.min() <= a.max() <= 3
    assert abs(b.mean() - 2) < 0.5 * wide
    assert abs(b.std() - 0.5) < 0.5 * wide
    assert c.dtype == np.float64
    assert abs((c**4).mean() - 3) < 10 * wide
    flat = c.reshape(-1)
    assert abs(np.corrcoef(flat[:-1], flat[1:])[0, 1]) < wide
    assert abs(np.corrcoef(flat, b.reshape(-1))[0, 1]) < wide


def test_uniform_numbers_fill_all_bins():
    model = compiled(helper.make_node("RandomUniform", [], ["a"], shape=[COUNT], seed=1.0))
    counts, _ = np.histogram(model(np.zeros((1, 1), np.float32)), 100, (0, 1))
    chi = ((counts - COUNT / 100) ** 2 / (COUNT / 100)).sum()
    assert 99 - 4 * np.sqrt(2 * 99) < chi < 99 + 4 * np.sqrt(2 * 99)


def test_bernoulli_and_multinomial():
    model = compiled(
        helper.make_node("Bernoulli", ["x"], ["a"]), helper.make_node("Multinomial", ["x"], ["b"], sample_size=COUNT)
    )
    shares = np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]])
    tondo_runtime.seed(12)
    _, drawn = model(np.log(shares).astype(np.float32) + 3)
    assert drawn.dtype == np.int32
    for row, wanted in zip(drawn, shares, strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / COUNT, wanted, atol=4 * 0.5 / np.sqrt(COUNT))
    hits, _ = model(np.full((200, COUNT // 200), 0.3, np.float32))
    assert set(np.unique(hits)) == {0.0, 1.0}
    assert abs(hits.mean() - 0.3) < 4 * 0.46 / np.sqrt(COUNT)


@pytest.mark.parametrize("target", ["native", "interp"])
def test_calls_differ_unless_a_seed_is_given(target):
    model = compiled(
        helper.make_node("RandomNormalLike", ["x"], ["a"]),
        helper.make_node("RandomNormalLike", ["x"], ["b"]),
        helper.make_node("RandomNormalLike", ["x"], ["c"], seed=2.5),
        shape=(2, 3),
        target=target,
    )
    x = np.zeros((2, 3), np.float32)
    tondo_runtime.seed(1)
    first, second = model(x), model(x)
    tondo_runtime.seed(1)
    again = model(x)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[2], second[2])
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
