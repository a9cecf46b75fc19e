"""The board's facts, and a model that is compiled for it."""

from __future__ import annotations

import numpy as np
import pytest

import tondo
from tondo.diagnostics import TondoError
from tondo.ir import FLOAT32, Binding, Call, GraphFunction, GraphVar, IRModule, TensorType, dims
from tondo.plugin import collect
from tondo.target import parse_target


def test_the_board_is_found_by_name() -> None:
    target = parse_target("cpu=sample_plugin-board", collect().targets.values())
    assert (target.kind, target.caches.l2, target.threads) == ("cpu", 128 << 10, 2)
    assert target.attr("board") == "sample_plugin-board"


def test_unknown_boards_and_features_are_refused() -> None:
    for name in ("cpu=sample_plugin-bord", "cpu=sample_plugin-board,features=-"):
        with pytest.raises(TondoError):
            parse_target(name, collect().targets.values())


def test_code_for_the_board_runs_here() -> None:
    shapes = {"a": (5, 7), "b": (7, 9), "y": (5, 9)}
    a, b, y = (GraphVar(name, TensorType(dims(shape), FLOAT32)) for name, shape in shapes.items())
    module = IRModule.of(GraphFunction("main", (a, b), (Binding((y,), Call("matmul", (a, b))),), (y,)))
    model = tondo.compile(module, target="cpu=sample_plugin-board", config={"cache": False})
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((5, 7), np.float32), rng.standard_normal((7, 9), np.float32)
    np.testing.assert_allclose(model(left, right), left @ right, rtol=1e-5, atol=1e-5)
