"""Whole models: split between the accelerator and the host, saved, loaded where there is no compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import tondo
import tondo_npu_runtime
from tondo.passes.placement import placements_of
from tondo.plugin import collect
from tondo_npu.pipeline import PIPELINE

OPTIONS = {"cache": False}


def small_network(batch: int | str = 2) -> onnx.ModelProto:
    """Convolutions with and without channels of their own, pooling, a dense layer, a softmax."""
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32) * 0.3, name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1, 1, 1, 1], group=20),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["d", "w3"], ["e"]),
        helper.make_node("Add", ["e", "d"], ["f"]),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("Gemm", ["g", "w4", "b4"], ["h"], transB=1),
        helper.make_node("Softmax", ["h"], ["y"]),
    ]
    initializers = [
        weight("w1", 20, 3, 3, 3),
        weight("b1", 20),
        weight("w2", 20, 1, 3, 3),
        weight("w3", 20, 20, 1, 1),
        weight("w4", 10, 320),
        weight("b4", 10),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 10])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def picture(batch: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((batch, 3, 8, 8)).astype(np.float32)


def expected(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    return ReferenceEvaluator(model).run(None, {"x": x})[0]


@pytest.mark.llvm
def test_a_network_is_split_between_accelerator_and_host() -> None:
    model = small_network()
    compiled = tondo.compile(model, target="npu", config=OPTIONS)
    x = picture(2)
    with tondo_npu_runtime.profile() as report:
        made = compiled(x)
    np.testing.assert_allclose(made, expected(model, x), rtol=0, atol=1e-5)
    assert len(report.kernels) == 3
    assert all(entry.calls == 1 and entry.cycles > 0 for entry in report.kernels.values())
    rows = placements_of(compiled.module)
    assert {row.runs for row in rows if row.library_seconds is not None} == {"npu"}
    assert sum(row.runs == "npu" for row in rows) == 3
    compiled_for_cpu = tondo.compile(model, target="native", config=OPTIONS)
    np.testing.assert_allclose(made, compiled_for_cpu(x), rtol=0, atol=1e-5)


@pytest.mark.llvm
def test_a_batch_of_any_size_runs_on_the_accelerator() -> None:
    model = small_network("batch")
    compiled = tondo.compile(model, target="npu", config=OPTIONS)
    for batch in (1, 3, 20):
        x = picture(batch)
        with tondo_npu_runtime.profile() as report:
            made = compiled(x)
        np.testing.assert_allclose(made, expected(model, x), rtol=0, atol=1e-5)
        assert len(report.kernels) == 3


ALONE = """
import sys
import numpy as np
import tondo_npu_runtime, tondo_runtime
model = tondo_runtime.load(sys.argv[1], threads=1)
with tondo_npu_runtime.profile() as report:
    np.save(sys.argv[3], model(np.load(sys.argv[2])))
assert report.cycles > 0
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"tondo", "tondo_npu", "tondo_schedule", "onnx", "pydantic", "pluggy"}, loaded
"""


@pytest.mark.llvm
def test_a_saved_model_runs_where_there_is_no_compiler(tmp_path: Path) -> None:
    model, x = small_network(), picture(2)
    tondo.compile(model, target="npu", config=OPTIONS).save(tmp_path / "m.tondo")
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", ALONE, *(str(tmp_path / name) for name in ("m.tondo", "x.npy", "y.npy"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected(model, x), rtol=0, atol=1e-5)


@pytest.mark.llvm
def test_smaller_memories_change_cycles_not_results() -> None:
    model, x = small_network(), picture(2)
    target = {"kind": "npu", "attrs": {"npu.scratchpad_bytes": 16384, "npu.accumulator_bytes": 4096}}
    cycles = []
    for spec in ("npu", target):
        compiled = tondo.compile(model, target=spec, config=OPTIONS)
        with tondo_npu_runtime.profile() as report:
            np.testing.assert_allclose(compiled(x), expected(model, x), rtol=0, atol=1e-5)
        cycles.append(report.cycles)
    assert cycles[0] <= cycles[1]


def test_the_pipeline_is_that_of_cpus_but_for_what_only_cpus_want() -> None:
    cpu = [entry.use for entry in collect(strict=False).pipelines["cpu"].passes]
    npu = [entry.use for entry in PIPELINE.passes]
    assert set(cpu) - set(npu) == {"graph.minimal_filtering", "graph.fuse_horizontal", "graph.fuse_chains"}
    assert set(npu) <= set(cpu)
    assert [name for name in cpu if name in npu and name != "graph.partition"][-12:] == npu[-12:]


def test_hooks_bring_everything_under_one_name() -> None:
    extensions = collect(strict=False)
    assert "npu" in extensions.targets
    assert "npu" in extensions.libraries
    assert "npu" in extensions.codegens
    assert "npu" in extensions.pipelines
    assert "npu.product" in extensions.schedule_rules
    assert {"npu.matmul.16x16x16", "npu.dma.load", "npu.dma.store"} <= set(extensions.intrinsics)
