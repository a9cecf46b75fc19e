"""The pass rewrites what it promises, keeps results, and works in a pipeline."""

from __future__ import annotations

import numpy as np
from sample_plugin.passes import DropDoubleNegation

import tondo
from tondo.ir import FLOAT32, Binding, Call, GraphFunction, GraphVar, IRModule, TensorType, dims
from tondo.passes import PassContext
from tondo.target import parse_target
from tondo.target.baseline import BASELINE_PROVIDERS


def module() -> IRModule:
    x, a, b, c, y = (GraphVar(name, TensorType(dims((3,)), FLOAT32)) for name in "xabcy")
    steps = ((a, "neg", x), (b, "neg", a), (c, "neg", b), (y, "relu", c))
    bindings = tuple(Binding((made,), Call(op, (arg,))) for made, op, arg in steps)
    return IRModule.of(GraphFunction("main", (x,), bindings, (y,)))


def test_pairs_go_away() -> None:
    context = PassContext(parse_target("interp", BASELINE_PROVIDERS))
    done = DropDoubleNegation().run(module(), context).graph()
    calls = [binding.operation for binding in done.bindings]
    assert [call.args[0].name for call in calls if isinstance(call, Call)] == ["x", "a", "x", "c"]
    kept = DropDoubleNegation(operators=()).run(module(), context)
    assert kept == module()


def test_results_stay() -> None:
    x = np.array([-1, 0, 2], np.float32)
    config = {"passes": ["sample_plugin.drop_double_negation", "graph.dead_code"], "cache": False}
    model = tondo.compile(module(), target="interp", config=config)
    np.testing.assert_array_equal(model(x), np.maximum(-x, 0))
    assert len(model.module.graph().bindings) == 2
