"""The operator computes what numpy computes, for any shape, compiled and interpreted."""

from __future__ import annotations

import numpy as np
import pytest
from sample_plugin.operators import HARD_SWISH

import tondo
from tondo.diagnostics import TondoError
from tondo.ir import FLOAT32, INT64, Binding, Call, GraphFunction, GraphVar, IRModule, OpCall, TensorType, Var, dims


def module() -> IRModule:
    x, y = (GraphVar(name, TensorType(dims((Var("n"), 5)), FLOAT32)) for name in "xy")
    return IRModule.of(GraphFunction("main", (x,), (Binding((y,), Call(HARD_SWISH.name, (x,))),), (y,)))


@pytest.mark.parametrize("target", ["native", "interp"])
def test_values(target: str) -> None:
    model = tondo.compile(module(), target=target, config={"cache": False})
    for rows in (1, 7):
        x = np.random.default_rng(rows).uniform(-5, 5, (rows, 5)).astype(np.float32)
        np.testing.assert_allclose(model(x), x * np.clip(x + 3, 0, 6) / 6, rtol=1e-5, atol=1e-6)


def test_other_types_are_refused() -> None:
    with pytest.raises(TondoError, match="TND-M006"):
        HARD_SWISH.infer(OpCall(HARD_SWISH.name, (TensorType(dims((2,)), INT64),)))
