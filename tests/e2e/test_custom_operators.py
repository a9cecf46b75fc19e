"""Operators of one's own from file to artifact, and a small network that is lowered one operator at a time."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from reference import answers

import tondo
import tondo.ffi
import tondo_runtime
from tondo.driver import Tools, lower, make_plan
from tondo.interp import run_graph, run_tensor_function
from tondo.ir import Call, CallDps, CallPacked, OpCall
from tondo.passes.verify import verify
from tondo.plugin import collect
from tondo.script import parse, script
from tondo_ops import OPERATORS

pytestmark = pytest.mark.llvm

OPS = '''from __future__ import annotations

import tondo


@tondo.operator(name="mine.gate", onnx="mine::Gate")
def gate(x: Buffer((n, m)), w: Buffer((m,)), y: Buffer((n, m)), *, alpha: float = 1.0):
    """Multiply by a sigmoid."""
    for i in range(n):
        for j in range(m):
            y[i, j] = x[i, j] / (1.0 + exp(-alpha * w[j] * x[i, j]))


@tondo.operator(name="mine.twice", onnx="mine::Twice")
def twice(x: Tensor((n, m), "float32"), w: Tensor((m,), "float32")) -> Tensor((n, m), "float32"):
    return gate(gate(x, w, alpha=0.5), w) + 1
'''


def gated(x, w, alpha):
    return x / (1 + np.exp(-alpha * w * x))


@pytest.fixture
def folder(tmp_path):
    """A model of two custom operators, its operators, a pipeline file that names them, and inputs."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "my_ops.py").write_text(OPS)
    (tmp_path / "parts" / "pipeline.yaml").write_text("tondo: 1\nops: [my_ops.py]\n")
    kinds = {"x": ["b", 8], "w": [8], "y": ["b", 8]}
    info = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in kinds.items()}
    nodes = [
        helper.make_node("Gate", ["x", "w"], ["t"], domain="mine", alpha=2.0),
        helper.make_node("Twice", ["t", "w"], ["y"], domain="mine"),
    ]
    graph = helper.make_graph(nodes, "net", [info["x"], info["w"]], [info["y"]])
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("mine", 1)]
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=imports), tmp_path / "net.onnx")
    generator = np.random.default_rng(0)
    x, w = (generator.standard_normal(shape).astype(np.float32) for shape in ((5, 8), (8,)))
    np.savez(tmp_path / "in.npz", x=x, w=w)
    return tmp_path


@pytest.fixture
def expected(folder):
    given = np.load(folder / "in.npz")
    t = gated(given["x"], given["w"], 2)
    return gated(gated(t, given["w"], 0.5), given["w"], 1) + 1


@pytest.mark.parametrize("words", [("--ops", "parts/my_ops.py"), ("-c", "parts/pipeline.yaml")], ids=["option", "file"])
def test_every_command_that_compiles_takes_operators(folder, expected, tondo, words):
    assert tondo("check", "net.onnx", *words).status == 0
    assert "mine.gate" in tondo("inspect", "net.onnx", *words).out
    assert tondo("bench", "net.onnx", *words, "--shape", "x=5x8", "--runs", "2").status == 0
    assert tondo("compile", "net.onnx", *words, "-o", "net.tondo").status == 0
    for model, more in (("net.onnx", words), ("net.tondo", ())):
        done = tondo("run", model, *more, "--input", "in.npz", "-o", "out.npz")
        assert done.status == 0, done.err
        np.testing.assert_allclose(np.load(folder / "out.npz")["y"], expected, rtol=1e-5)


def test_an_artifact_needs_no_operators(folder, expected, tondo):
    assert tondo("compile", "net.onnx", "--ops", "parts/my_ops.py", "-o", "net.tondo").status == 0
    (folder / "parts" / "my_ops.py").unlink()
    given = np.load(folder / "in.npz")
    with tondo_runtime.load(folder / "net.tondo") as session:
        np.testing.assert_allclose(session(given["x"], given["w"]), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("check", "net.onnx"), 1, "unknown operator"),
        (("compile", "net.onnx", "--ops", "parts/my_ops.py:gate"), 3, "mine.Twice"),
        (("compile", "net.onnx", "--ops", "other.py"), 2, "TND-U006"),
        (("compile", "net.onnx", "--ops", "parts/my_ops.py:gat"), 4, "TND-C006"),
    ],
)
def test_what_is_missing_is_named(folder, tondo, words, status, message):
    done = tondo(*words)
    assert done.status == status
    assert message in done.out + done.err


def test_the_cache_follows_the_contents_of_the_file(folder, tondo):
    words = ("run", "net.onnx", "--ops", "parts/my_ops.py", "--input", "in.npz", "-o", "out.npz")
    cache = {"TONDO_CACHE": "on", "TONDO_CACHE_DIR": str(folder / "cache")}
    (folder / "cache").mkdir(mode=0o700)
    assert tondo(*words, **cache).status == 0
    before = np.load(folder / "out.npz")["y"]
    (folder / "parts" / "my_ops.py").write_text(OPS.replace("+ 1\n", "+ 2\n"))
    assert tondo(*words, **cache).status == 0
    np.testing.assert_allclose(np.load(folder / "out.npz")["y"], before + 1, rtol=1e-5)


# ------------------------------------------------------------------------------------------ one operator at a time


def network():
    """Return a convolution with bias, a rectifier, a mean over the picture, a product and a softmax."""
    generator = np.random.default_rng(1)
    weights = {
        "k": generator.standard_normal((6, 3, 3, 3)),
        "c": generator.standard_normal(6),
        "w": generator.standard_normal((6, 4)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "k", "c"], ["a"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["r"], "relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["g"], "pool"),
        helper.make_node("Flatten", ["g"], ["f"], "flat"),
        helper.make_node("MatMul", ["f", "w"], ["m"], "product"),
        helper.make_node("Softmax", ["m"], ["y"], "soft", axis=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])
    stored = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", [x], [y], stored)
    return helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)])


def stand_in(use):
    """Return a foreign function that computes an operator's definition with the reference interpreter."""
    function = OPERATORS[use.op].definition(use)

    def call(*arrays, **attributes):
        del attributes
        inputs, outputs = arrays[: len(use.args)], arrays[len(use.args) :]
        for output, made in zip(outputs, run_tensor_function(function, list(inputs)), strict=True):
            output[...] = made

    return call


def test_a_network_is_lowered_one_operator_at_a_time():
    """Foreign function, then the operator again, then its tensor function: every module on the way is a whole."""
    model = network()
    x = np.random.default_rng(2).standard_normal((2, 3, 8, 8)).astype(np.float32)
    (expected,) = answers(model, {"x": x}).values()
    extensions = collect()

    def checked(module):
        assert verify(module) == []
        assert parse(script(module), constants=module.constants) == module
        np.testing.assert_allclose(run_graph(module, [x], OPERATORS)[0], expected, rtol=1e-4, atol=1e-6)
        compiled = tondo.compile(module, threads=1, config={"cache": False})
        np.testing.assert_allclose(compiled(x), expected, rtol=1e-4, atol=1e-6)
        return module

    def step(module, **options):
        passes = [{"use": "graph.replace", **options}]
        return checked(lower(make_plan(module, "interp", None, None, {"passes": passes}, extensions), Tools()))

    module = checked(lower(make_plan(model, "interp", None, None, None, extensions), Tools()))
    operators = [item.operation for item in module.graph().bindings if isinstance(item.operation, Call)]
    assert len(operators) >= 5
    for position, call in enumerate(operators):
        name = f"test.stand_in_{position}"
        use = OpCall(call.op, tuple(arg.tensor for arg in call.args), call.attrs)
        tondo.ffi.register(name, stand_in(use), override=True)
        keep = [key for key, value in call.attrs.items() if isinstance(value, int | float | str)]
        module = step(module, operator=call.op, with_packed=name, keep=keep, at_most=1)
        assert any(isinstance(item.operation, CallPacked) for item in module.graph().bindings)
        text = script(OPERATORS[call.op].definition(use)).replace(f"def {call.op}(", f"def step_{position}(")
        module = step(module, packed=name, with_function=text)
    kinds = [type(item.operation) for item in module.graph().bindings]
    assert kinds.count(CallDps) == len(operators)
    assert Call not in kinds
    assert CallPacked not in kinds
