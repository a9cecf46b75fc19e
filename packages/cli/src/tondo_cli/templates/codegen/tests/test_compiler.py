"""What is compiled and what is left, damaged code, and a model whose code travels in an artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sample_plugin.code import Instruction, decode, encode
from sample_plugin.machine import load

import tondo
import tondo_runtime
from tondo.ir import FLOAT32, Binding, Call, GraphFunction, GraphVar, IRModule, TensorType, Var, dims
from tondo.plugin import collect

PROGRAM = [Instruction("input", 0), Instruction("const", 2.5), Instruction("mul")]


def module() -> IRModule:
    """``softmax(a * b + a)`` for any number of rows: the stack machine takes the arithmetic."""
    kind = TensorType(dims((Var("n"), 6)), FLOAT32)
    a, b, p, s, y = (GraphVar(name, kind) for name in "abpsy")
    bindings = (
        Binding((p,), Call("mul", (a, b))),
        Binding((s,), Call("add", (p, a))),
        Binding((y,), Call("softmax", (s,))),
    )
    return IRModule.of(GraphFunction("main", (a, b), bindings, (y,)))


def test_code_comes_back_as_it_was() -> None:
    assert decode(encode(PROGRAM)) == PROGRAM


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"other code",
        encode(PROGRAM)[:-1],
        encode(PROGRAM[1:]),
        encode(PROGRAM[:2]),
        encode(PROGRAM) + b"\xff\0\0\0\0",
    ],
)
def test_damaged_code_is_refused(data: bytes) -> None:
    with pytest.raises(tondo_runtime.RuntimeFailure, match="TND-A001"):
        load("code/sample_plugin-f.sample_plugin", memoryview(data))


def test_a_model_runs_on_the_machine(tmp_path: Path) -> None:
    passes = [
        {"use": step.use, **dict(step.options), **({"library": "prefer"} if step.use == "graph.partition" else {})}
        for step in collect().pipelines["cpu"].passes
    ]
    model = tondo.compile(module(), config={"passes": passes, "cache": False})
    taken = [function.name for function in model.module.tensor_functions() if "library" in function.attrs]
    assert len(taken) == 2
    model.save(tmp_path / "model.tondo")
    rng = np.random.default_rng(0)
    with tondo_runtime.load(tmp_path / "model.tondo") as session:
        for rows in (1, 4):
            a, b = rng.standard_normal((rows, 6), np.float32), rng.standard_normal((rows, 6), np.float32)
            raised = np.exp(a * b + a)
            wanted = raised / raised.sum(-1, keepdims=True)
            np.testing.assert_allclose(model(a, b), wanted, rtol=1e-5)
            np.testing.assert_allclose(session(a, b), wanted, rtol=1e-5)
