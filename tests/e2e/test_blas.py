"""Models whose products OpenBLAS computes: the same answers, in this process and from a file without the compiler."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from textwrap import dedent

import numpy as np
import onnx
import pytest
from onnx import helper
from reference import answers, of_range

import tondo
from networks import light_model, picture
from tondo.passes.placement import placements_of
from tondo.plugin import collect
from tondo_runtime import Artifact

pytestmark = pytest.mark.llvm


def passes(**options):
    """Return the default passes with options of ``graph.partition``."""
    names = [spec.use for spec in collect().pipelines["cpu"].passes]
    return [{"use": name, **(options if name == "graph.partition" else {})} for name in names]


def compiled(model, *, threads=2, target=None, **options):
    return tondo.compile(model, threads=threads, target=target, config={"passes": passes(**options), "cache": False})


@pytest.mark.parametrize("name", ["squeezenet", "inception_v1"])
def test_networks_with_all_products_by_openblas(name):
    network = light_model(name)
    inputs = {network.graph.input[0].name: picture()}
    model = compiled(network, libraries={"openblas": "prefer"})
    rows = placements_of(model.module)
    assert sum(row.calls for row in rows if row.runs == "openblas") > 20
    assert {"openblas:sgemm", "openblas:threads"} <= set(model.engine.manifest.packed)
    (expected,) = answers(network, inputs).values()
    (found,) = model.run(inputs).values()
    assert of_range(found, expected) < 1e-5
    with model.profile() as profile:
        model.run(inputs)
    assert any("openblas" in row.name for row in profile.table())


def product(rows="n", kind=onnx.TensorProto.DOUBLE):
    ends = [helper.make_tensor_value_info("x", kind, [rows, 64]), helper.make_tensor_value_info("w", kind, [64, 32])]
    node = helper.make_node("MatMul", ["x", "w"], ["y"], "product")
    graph = helper.make_graph([node], "net", ends, [helper.make_tensor_value_info("y", kind, [rows, 32])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("target", [None, "cpu=haswell", "cpu=x86-64"])
def test_sizes_that_the_call_decides(threads, target):
    model = compiled(product(), threads=threads, target=target, library="prefer")
    assert [row.runs for row in placements_of(model.module)] == ["openblas"]
    generator = np.random.default_rng(0)
    for rows in (1, 5, 130):
        x, w = generator.standard_normal((rows, 64)), generator.standard_normal((64, 32))
        np.testing.assert_allclose(model(x, w), x @ w, rtol=1e-12, atol=1e-12)


def test_a_saved_model_runs_without_the_compiler(tmp_path):
    compiled(product(), library="prefer").save(tmp_path / "net.tondo")
    manifest = Artifact.open(tmp_path / "net.tondo").manifest
    assert [row["runs"] for row in manifest.placement] == ["openblas"]
    program = dedent("""
        import sys
        sys.modules["tondo"] = None
        import numpy as np, tondo_runtime
        model = tondo_runtime.load("net.tondo")
        x, w = np.random.default_rng(0).standard_normal((3, 64)), np.random.default_rng(1).standard_normal((64, 32))
        np.testing.assert_allclose(model(x, w), x @ w)
        print("equal")
    """)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "equal", done.stderr


def test_without_the_package_only_the_time_changes():
    proto = product()
    x, w = np.random.default_rng(0).standard_normal((7, 64)), np.random.default_rng(1).standard_normal((64, 32))
    without = tondo.compile(proto, extensions=dataclasses.replace(collect(), libraries={}), config={"cache": False})
    assert not without.engine.manifest.packed
    np.testing.assert_allclose(compiled(proto, library="prefer")(x, w), without(x, w), rtol=1e-12)
    never = compiled(proto, library="never")
    assert not never.engine.manifest.packed
    np.testing.assert_array_equal(never(x, w), without(x, w))


def test_the_report_is_printed(tondo, tmp_path):
    onnx.save(product(), str(tmp_path / "net.onnx"))
    done = tondo("compile", "net.onnx", "--placement")
    assert done.status == 0, done.err
    assert "openblas" in done.out
    done = tondo("compile", "net.onnx", "--json")
    (row,) = done.json["placement"]
    assert {"function", "runs", "library", "reason", "generated_seconds"} <= set(row)
    assert "openblas" in tondo("inspect", "net.tondo").out
