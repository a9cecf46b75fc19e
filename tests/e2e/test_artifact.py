"""Artifacts of a whole network: save, load without the compiler, the cache, free dimensions, profiles."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import zipfile
from textwrap import dedent

import numpy as np
import pytest
from light_batch import BATCH, free_reshapes, with_any_batch
from reference import of_range, session

import tondo
import tondo_runtime
from networks import light_model, picture
from tondo.driver import choose_steps, config_of
from tondo.plugin import collect
from tondo.script import parse

pytestmark = pytest.mark.llvm


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Squeezenet with any batch: the compiled model, its artifact, onnxruntime's answers by batch."""
    model = light_model("squeezenet")
    data = model.graph.input[0].name
    engine = session(with_any_batch(model))
    pictures = {batch: picture(seed=batch, batch=batch) for batch in (1, 2, 3)}
    expected = {batch: engine.run(None, {data: image})[0] for batch, image in pictures.items()}
    free_reshapes(model)
    config = {"model": {"inputs": {data: [BATCH, 3, 224, 224]}, "name": "squeezenet"}, "cache": False}
    compiled = tondo.compile(model, config=config, threads=2)
    path = tmp_path_factory.mktemp("saved") / "net.tondo"
    compiled.save(path)
    return compiled, path, pictures, expected


def test_saving_and_loading_keeps_everything(saved):
    compiled, path, pictures, expected = saved
    with tondo_runtime.load(path, threads=2) as loaded:
        assert loaded.name == compiled.name == "squeezenet"
        assert loaded.inputs == compiled.inputs
        assert loaded.outputs == compiled.outputs
        assert loaded.inputs[0].shape == (BATCH, 3, 224, 224)
        for batch, image in pictures.items():
            found = loaded(image)
            assert of_range(found, expected[batch]) <= 1e-4
            np.testing.assert_array_equal(found, compiled(image))


def test_an_artifact_holds_what_the_documentation_says(saved):
    compiled, path, _, _ = saved
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        assert {"manifest.json", "module.tondo", "weights.safetensors"} <= names
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["format"] == 1
    assert manifest["symbols"] == [{"name": BATCH, "min": 0}]
    assert {"onnx", "ops", "passes", "cpu", "llvm"} <= set(manifest["plugins"])
    assert manifest["pipeline"]["passes"][0]["use"] == "graph.expand"
    assert manifest["target"]["kind"] == "cpu"
    assert {entry["member"] for entry in manifest["code"]} < names
    artifact = tondo_runtime.Artifact.open(path)
    module = parse(artifact.module_text, constants=compiled.module.constants)
    assert module == compiled.module


def test_the_weights_are_mapped_not_read(saved):
    _, path, _, _ = saved
    artifact = tondo_runtime.Artifact.open(path)
    for name, array in artifact.weights.items():
        assert not array.flags.owndata, name
        assert array.ctypes.data % 64 == 0, name


def test_the_runtime_alone_loads_it(saved, tmp_path):
    """A process in which the compiler, its plugins and everything but numpy cannot be imported."""
    _, path, pictures, expected = saved
    np.savez(tmp_path / "data.npz", x=pictures[2], y=expected[2])
    script = f"""
        import sys

        class Refuse:
            allowed = {{"tondo_runtime", "numpy", "llvmlite"}}
            def find_spec(self, name, path=None, target=None):
                top = name.partition(".")[0]
                if top in self.allowed or top in sys.stdlib_module_names:
                    return None
                raise ImportError(f"{{name}} is not here")

        sys.meta_path.insert(0, Refuse())
        try:
            import tondo
        except ImportError:
            pass
        else:
            raise SystemExit("tondo can be imported")
        import numpy as np
        import tondo_runtime

        model = tondo_runtime.load({str(path)!r}, threads=2)
        with np.load({str(tmp_path / "data.npz")!r}) as data:
            x, y = data["x"], data["y"]
        (name,) = [spec.name for spec in model.inputs]
        (found,) = model.run({{name: x}}).values()
        difference = float(np.abs(found - y).max() / np.ptp(y))
        others = {{name.partition(".")[0] for name in sys.modules}} & {{"tondo", "onnx", "pydantic", "pluggy", "typer"}}
        print(difference, sorted(others), "llvmlite" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", dedent(script)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    difference, others, llvmlite = done.stdout.split()
    assert float(difference) <= 1e-4
    assert others == "[]"
    kinds = {entry.kind for entry in tondo_runtime.Artifact.open(path).manifest.code}
    assert kinds == {"object"} or llvmlite == "False", "a shared object needs no llvmlite"


def test_other_sizes_of_a_free_dimension_and_wrong_ones(saved):
    _, path, pictures, expected = saved
    with tondo_runtime.load(path) as loaded:
        many = np.concatenate([pictures[1], pictures[3], pictures[1]])
        whole = np.concatenate([expected[1], expected[3], expected[1]])
        assert of_range(loaded(many), whole) <= 1e-4
        with pytest.raises(tondo_runtime.RuntimeFailure, match="TND-U002"):
            loaded(np.zeros((2, 3, 224, 225), np.float32))
        assert loaded(np.zeros((0, 3, 224, 224), np.float32)).shape == (0, *whole.shape[1:])


def test_calls_from_several_threads(saved):
    _, path, pictures, expected = saved
    with tondo_runtime.load(path, threads=2) as loaded:
        found = {}

        def call(key, batch):
            found[key] = loaded(pictures[batch])

        workers = [threading.Thread(target=call, args=(key, key % 3 + 1)) for key in range(6)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    for key in range(6):
        assert of_range(found[key], expected[key % 3 + 1]) <= 1e-4


def test_outputs_are_written_into_bound_arrays(saved):
    compiled, _, pictures, expected = saved
    (output,) = compiled.outputs
    target = np.empty(expected[2].shape, np.float32)
    results = compiled.run({compiled.inputs[0].name: pictures[2]}, {output.name: target})
    assert results[output.name] is target
    assert of_range(target, expected[2]) <= 1e-4


def test_the_profile_names_every_kernel_and_adds_up(saved, tmp_path):
    _, path, pictures, _ = saved
    with tondo_runtime.load(path, threads=2) as loaded:
        loaded(pictures[1])
        with loaded.profile() as profile:
            for _ in range(3):
                loaded(pictures[1])
    rows = profile.table()
    assert rows
    assert {row.name for row in rows} <= set(loaded.manifest.kernels)
    assert all(row.count % 3 == 0 for row in rows)
    calls = [event for event in profile.events if event.kernel is None]
    assert len(calls) == 3
    whole = sum(call.end_ns - call.begin_ns for call in calls)
    kernels = sum(row.total_ns for row in rows)
    assert 0 < kernels <= whole
    profile.to_chrome_trace(tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert len(events) == 3 + sum(row.count for row in rows)
    assert {"name", "ph", "ts", "dur", "pid", "tid"} <= set(events[0])
    assert all(event["dur"] >= 0 for event in events)
    assert rows[0].name in profile.format()


@pytest.fixture
def cached(monkeypatch, tmp_path):
    monkeypatch.delenv("TONDO_CACHE")
    monkeypatch.setenv("TONDO_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_second_compilation_comes_from_the_cache(cached):
    model = light_model("squeezenet")
    image = picture()
    cold = tondo.compile(model, threads=2)
    warm = tondo.compile(model, threads=2)
    assert not cold.from_cache
    assert warm.from_cache
    np.testing.assert_array_equal(cold(image), warm(image))
    assert cached.stat().st_mode & 0o077 == 0


def test_whatever_changes_the_code_changes_the_cache_entry(cached):
    model, other = light_model("squeezenet", seed=0), light_model("squeezenet", seed=1)
    assert not tondo.compile(model, threads=1).from_cache
    assert not tondo.compile(other, threads=1).from_cache, "other weights"
    assert not tondo.compile(model, threads=1, target="cpu=x86-64").from_cache, "another target"
    names = [entry.name for entry in choose_steps(config_of(None), None, 1, collect("")).passes]
    passes = [{"use": name, "max_ops": 1} if name == "graph.fuse" else {"use": name} for name in names]
    options = {"passes": passes}
    assert not tondo.compile(model, threads=1, config=options).from_cache, "another option of a pass"
    assert tondo.compile(model, threads=1).from_cache


def test_a_damaged_entry_of_the_cache_is_made_again(cached):
    model = light_model("squeezenet")
    image = picture()
    expected = tondo.compile(model, threads=2)(image)
    (entry,) = (cached / "artifacts").iterdir()
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 0xFF
    entry.write_bytes(data)
    again = tondo.compile(model, threads=2)
    assert not again.from_cache
    np.testing.assert_array_equal(again(image), expected)
    assert tondo.compile(model, threads=2).from_cache
