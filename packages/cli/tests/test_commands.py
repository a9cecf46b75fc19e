"""The commands that compile and run, on a small model with a symbolic batch."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tondo_runtime

pytestmark = pytest.mark.llvm

WEIGHT = np.random.default_rng(0).standard_normal((16, 8), dtype=np.float32)
BIAS = np.random.default_rng(1).standard_normal(8, dtype=np.float32)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("TONDO_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def model(tmp_path):
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["sum"]),
            helper.make_node("Relu", ["sum"], ["y"]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(BIAS, "bias")],
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]), path)
    return path


def expected(x):
    return np.maximum(x @ WEIGHT + BIAS, 0)


def test_compile_writes_an_artifact_that_the_runtime_runs(tondo, model, tmp_path):
    done = tondo("compile", model, "-o", "net.tondo", "--json")
    assert done.status == 0, done.err
    assert done.json["artifact"] == "net.tondo"
    assert done.json["bytes"] == (tmp_path / "net.tondo").stat().st_size
    assert [spec["name"] for spec in done.json["inputs"]] == ["x"]
    assert done.json["inputs"][0]["shape"] == ["batch", 16]
    x = np.random.default_rng(2).standard_normal((5, 16), dtype=np.float32)
    np.testing.assert_allclose(tondo_runtime.load(tmp_path / "net.tondo")(x), expected(x), rtol=1e-4, atol=1e-5)


STAGES = ("start", "plan", "cache", "load", "passes", "graph.fuse", "code", "llvm", "print", "session", "link", "save")


def test_compile_names_the_artifact_after_the_model_and_says_how_long(tondo, model, tmp_path):
    done = tondo("compile", model, "--timings", "--trace", "trace.json")
    assert done.status == 0, done.err
    assert done.out.startswith("small.tondo (")
    lines = [line for line in done.out.splitlines() if " s " in line and "%" in line]
    rows = {line.split("%")[1].split("(")[0].strip(): line for line in lines}
    assert [name for name in STAGES if name not in rows] == []
    assert "(compiled 3, threads " in rows["llvm"]
    assert "the longest 3 of 3 pieces:" in done.out
    assert "thread pool" in done.out
    assert (tmp_path / "small.tondo").is_file()
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {event["name"] for event in events if event["ph"] == "X"} >= {"passes", "llvm", "thread pool", "save"}
    assert all(event["dur"] >= 0 <= event["ts"] for event in events if event["ph"] == "X")
    assert sum(event["ph"] == "M" for event in events) >= 2


def test_compile_gives_the_times_as_json(tondo, model):
    found = tondo("compile", model, "--json").json
    spans = {span["name"]: span for span in found["timings"]}
    assert spans["units"]["facts"] == {"functions": 2, "distinct": 2}
    assert spans["thread pool"]["lane"].startswith("tondo-compile")
    top = [span["seconds"] for span in found["timings"] if span["depth"] == 1]
    assert found["seconds"] == pytest.approx(sum(top))


def test_compile_takes_the_second_time_from_the_cache(tondo, model, tmp_path):
    assert tondo("compile", model, "-o", "a.tondo", "--json").json["from_cache"] is False
    assert tondo("compile", model, "-o", "b.tondo", "--json").json["from_cache"] is True
    assert (tmp_path / "a.tondo").read_bytes() == (tmp_path / "b.tondo").read_bytes()


def test_compile_takes_the_model_from_the_pipeline_file(tondo, model, tmp_path):
    (tmp_path / "my.yaml").write_text("tondo: 1\nmodel: {path: small.onnx, name: renamed}\ntarget: {threads: 1}\n")
    done = tondo("compile", "-c", "my.yaml")
    assert done.status == 0, done.err
    assert (tmp_path / "renamed.tondo").is_file()


def test_compile_dumps_every_pass(tondo, model, tmp_path):
    assert tondo("compile", model, "--dump", "steps").status == 0
    names = sorted(path.name for path in (tmp_path / "steps").iterdir())
    assert names[0] == "00-input.py"
    assert any("graph.fuse" in name for name in names)


def test_compile_with_a_fixed_shape(tondo, model):
    done = tondo("compile", model, "--shape", "x=4x16", "--json")
    assert done.json["inputs"][0]["shape"] == [4, 16]


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (["compile", "missing.onnx"], "TND-U006", 2),
        (["compile", "text.onnx"], "TND-M", 3),
        (["compile"], "TND-U005", 2),
        (["compile", "small.onnx", "--target", "gpu9000"], "TND-U007", 2),
        (["compile", "small.onnx", "--numerics", "vague"], "TND-U005", 2),
        (["compile", "small.onnx", "--config", "bad.yaml"], "TND-C003", 4),
        (["compile", "small.onnx", "--plugins", "none"], "TND-C004", 4),
        (["compile", "small.onnx", "--plugins=-onnx"], "TND-M001", 3),
        (["run", "text.tondo"], "TND-A001", 7),
        (["run", "small.onnx", "--input", "z=x.npy"], "TND-U001", 2),
        (["run", "small.onnx", "--input", "x=long.npy"], "TND-U002", 2),
        (["inspect", "small.onnx", "--after", "graph.fues"], "TND-C003", 4),
        (["inspect", "small.onnx", "--function", "mian"], "TND-U005", 2),
        (["bench", "small.onnx", "--against", "onnxruntme"], "TND-U005", 2),
    ],
)
def test_mistakes(tondo, model, tmp_path, arguments, code, status):
    (tmp_path / "text.onnx").write_text("this is no model")
    (tmp_path / "text.tondo").write_text("this is no artifact")
    (tmp_path / "bad.yaml").write_text("tondo: 1\npasses:\n  - graph.fues\n")
    np.save(tmp_path / "x.npy", np.ones((1, 16), np.float32))
    np.save(tmp_path / "long.npy", np.ones((1, 17), np.float32))
    done = tondo(*arguments)
    assert f"error[{code}" in done.err
    assert done.status == status
    assert done.out == ""
    assert "Traceback" not in done.err


def test_a_mistake_in_a_pipeline_file_shows_the_place(tondo, model, tmp_path):
    (tmp_path / "bad.yaml").write_text("tondo: 1\npasses:\n  - graph.fues\n")
    done = tondo("compile", model, "-c", "bad.yaml")
    assert "bad.yaml:3:5" in done.err
    assert "did you mean 'graph.fuse'?" in done.err


def test_run_reads_inputs_and_writes_outputs(tondo, model, tmp_path):
    x = np.random.default_rng(3).standard_normal((3, 16), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    done = tondo("run", model, "--input", "x=x.npy", "-o", "y.npz", "--json")
    assert done.status == 0, done.err
    y = np.load(tmp_path / "y.npz")["y"]
    np.testing.assert_allclose(y, expected(x), rtol=1e-4, atol=1e-5)
    facts = done.json["outputs"]["y"]
    assert facts["shape"] == [3, 8]
    assert facts["max"] == pytest.approx(y.max())


def test_run_makes_inputs_up_the_same_way_each_time(tondo, model):
    first = tondo("run", model, "--shape", "x=2x16", "--seed", "7").out
    assert first == tondo("run", model, "--shape", "x=2x16", "--seed", "7").out
    assert first != tondo("run", model, "--shape", "x=2x16", "--seed", "8").out
    assert "y       float32  2x8" in first


def test_run_on_the_interpreter_gives_the_same_numbers(tondo, model):
    compiled = tondo("run", model, "--shape", "x=2x16", "--json").json["outputs"]["y"]
    interpreted = tondo("run", model, "--shape", "x=2x16", "--target", "interp", "--json").json["outputs"]["y"]
    assert compiled["mean"] == pytest.approx(interpreted["mean"], rel=1e-4)


def test_run_an_artifact_with_a_profile(tondo, model, tmp_path):
    assert tondo("compile", model, "-o", "net.tondo").status == 0
    done = tondo("run", "net.tondo", "--shape", "x=4x16", "--profile", "--trace", "trace.json")
    assert done.status == 0, done.err
    assert "total us" in done.out
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def test_options_of_compilation_do_not_apply_to_an_artifact(tondo, model):
    assert tondo("compile", model, "-o", "net.tondo").status == 0
    done = tondo("run", "net.tondo", "--numerics", "high")
    assert done.status == 2
    assert "--numerics cannot change it" in done.err


def test_bench_prints_percentiles(tondo, model):
    done = tondo("bench", model, "--shape", "x=4x16", "--runs", "3", "--warmup", "1", "--json")
    assert done.status == 0, done.err
    latency = done.json["latency"]["tondo"]
    assert latency["runs"] == 3
    assert 0 < latency["min_ms"] <= latency["median_ms"] <= latency["p90_ms"]


def test_bench_against_onnxruntime_compares_the_answers(tondo, model):
    pytest.importorskip("onnxruntime")
    done = tondo("bench", model, "--shape", "x=4x16", "--runs", "3", "--against", "onnxruntime", "--json")
    assert done.status == 0, done.err
    assert done.json["difference"]["onnxruntime"] < 1e-4
    ratio = done.json["ratio"]["onnxruntime"]
    assert 0 < ratio["low"] <= ratio["high"]
    assert ratio["value"] > 0
    assert set(done.json["versions"]) == {"tondo", "onnxruntime"}


def test_bench_against_several_engines_prints_one_table(tondo, model):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")
    engines = ["--against", "onnxruntime,openvino", "--against", "onnxruntime"]
    done = tondo("bench", model, "--shape", "x=4x16", "--runs", "3", "--threads", "1", *engines)
    assert done.status == 0, done.err
    header, *rows = done.out.splitlines()
    assert header.split()[:2] == ["engine", "version"]
    assert [row.split()[0] for row in rows[:3]] == ["tondo", "onnxruntime", "openvino"]
    assert rows[3].startswith("1 threads")
    assert "the fastest other engine; above 1: tondo is faster" in rows[4]


def test_bench_says_how_to_install_what_is_missing(tondo, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setitem(sys.modules, "openvino", None)
    done = tondo("bench", model, "--against", "onnxruntime,openvino")
    assert done.status == 2
    assert "error[TND-U005]: onnxruntime and openvino cannot be imported" in done.err
    assert "help: pip install onnxruntime openvino" in done.err
    assert done.out == ""


def test_bench_tells_what_an_engine_says_about_a_model(tondo, model, tmp_path):
    pytest.importorskip("onnxruntime")
    (tmp_path / "text.onnx").write_text("this is no model")
    done = tondo("bench", model, "--runs", "1", "--against", "onnxruntime", "--reference", "text.onnx")
    assert done.status == 2
    assert "onnxruntime does not run text.onnx" in done.err


def test_bench_of_an_artifact_needs_the_model_for_another_engine(tondo, model):
    assert tondo("compile", model, "-o", "net.tondo").status == 0
    done = tondo("bench", "net.tondo", "--against", "onnxruntime")
    assert done.status == 2
    assert "--reference" in done.err


def test_inspect_prints_the_module_after_a_pass(tondo, model):
    imported = tondo("inspect", model)
    assert imported.status == 0, imported.err
    assert "main" in imported.out
    defined = tondo("inspect", model, "--after", "graph.define", "--json")
    assert len(defined.json["functions"]) > 1
    assert defined.json["text"] != imported.out
    one = tondo("inspect", model, "--after", "graph.define", "--function", "main", "--json")
    assert one.json["functions"] == ["main"]


def test_inspect_prints_code(tondo, model):
    done = tondo("inspect", model, "--after", "code")
    assert done.status == 0, done.err
    assert "define" in done.out


def test_inspect_tells_what_an_artifact_holds(tondo, model):
    assert tondo("compile", model, "-o", "net.tondo").status == 0
    done = tondo("inspect", "net.tondo")
    assert "input: x float32 (batch, 16)" in done.out
    assert "weights.safetensors" in done.out
    assert tondo("inspect", "net.tondo", "--json").json["name"] == "small"


def test_pipeline_show_prints_a_file_that_check_accepts(tondo, tmp_path):
    shown = tondo("pipeline", "show")
    assert shown.status == 0, shown.err
    assert shown.out.startswith("tondo: 1\n")
    (tmp_path / "shown.yaml").write_text(shown.out)
    done = tondo("pipeline", "check", "shown.yaml", "--json")
    assert done.status == 0, done.err
    assert done.json["passes"] > 3
    again = tondo("pipeline", "show", "shown.yaml")
    assert again.out == shown.out


def test_pipeline_check_reports_all_mistakes(tondo, tmp_path):
    (tmp_path / "bad.yaml").write_text("tondo: 1\npasses:\n  - graph.fues\n  - {use: graph.fuse, colour: red}\n")
    done = tondo("pipeline", "check", "bad.yaml")
    assert done.status == 4
    assert "TND-C003" in done.err
    assert "TND-C002" in done.err


def test_pipeline_schema_is_a_schema(tondo):
    schema = json.loads(tondo("pipeline", "schema").out)
    assert "passes" in schema["properties"]


def test_limits(tondo, model):
    refused = tondo("check", model, "--limit", "nodes=1", "--json")
    assert refused.json["error"]["code"] == "TND-X002"
    assert "--limit nodes=2" in refused.json["error"]["help"]
    assert tondo("check", model, "--limit", "nodes=1_000", "--limit", "rank=4").status == 0
    assert tondo("compile", model, "--limit", "rank=1", "--json").json["error"]["code"] == "TND-X002"


@pytest.mark.parametrize(
    ("words", "code"),
    [("nodes", "TND-U005"), ("nodes=many", "TND-U005"), ("knots=3", "TND-C002"), ("rank=0", "TND-C001")],
)
def test_what_is_no_limit(tondo, model, words, code):
    assert tondo("check", model, "--limit", words, "--json").json["error"]["code"] == code
