"""Plugins at the command line: leaving one out, one that does not import, two that claim the same name."""

from __future__ import annotations

import os
from textwrap import dedent

import numpy as np
import onnx
import pytest
from reference import answers, of_range

import tondo_runtime
from networks import light_model, picture

pytestmark = pytest.mark.llvm

HEADER = """
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
from tondo.plugin import PluginInfo, hookimpl
TONDO_PLUGIN = PluginInfo("other")
"""

PASS = """
@dataclass(frozen=True, slots=True)
class Mine:
    name: ClassVar[str] = "NAME"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()

    def run(self, module, context):
        return module

@hookimpl
def register_passes():
    return [Mine]
"""


@pytest.fixture
def install(tmp_path_factory):
    """Write distributions, each with one plugin, into a folder; returns the folder for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("site")

    def add(distribution, plugin, source):
        module = distribution.replace("-", "_")
        (folder / f"{module}.py").write_text(dedent(source))
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[tondo.plugins]\n{plugin} = {module}\n")
        before = os.environ.get("PYTHONPATH")
        return f"{folder}{os.pathsep}{before}" if before else str(folder)

    return add


@pytest.fixture(scope="module")
def network():
    """Squeezenet, its picture and onnxruntime's answer."""
    model = light_model("squeezenet")
    image = picture(seed=3)
    feed = {model.graph.input[0].name: image}
    (expected,) = answers(model, feed).values()
    return model, feed, expected


@pytest.fixture
def saved(network, tmp_path):
    model, feed, _ = network
    onnx.save(model, tmp_path / "net.onnx")
    np.savez(tmp_path / "in.npz", **feed)
    return tmp_path


def answer(folder, name="out.npz"):
    with np.load(folder / name) as content:
        (found,) = (content[key] for key in content.files)
        return found


def test_without_the_x86_plugin_the_baseline_gives_the_same_answer(saved, network, tondo):
    words = ("run", "net.onnx", "--input", "in.npz", "-o")
    done = tondo(*words, "out.npz", TONDO_PLUGINS="-x86")
    assert done.status == 0, done.err
    assert tondo(*words, "native.npz").status == 0
    assert of_range(answer(saved), network[2]) <= 1e-5
    assert of_range(answer(saved), answer(saved, "native.npz")) <= 1e-5


def test_the_option_and_the_variable_leave_out_the_same(saved, tondo):
    for index, (words, variables) in enumerate([(("--plugins=-x86",), {}), ((), {"TONDO_PLUGINS": "-x86"})]):
        path = saved / f"{index}.tondo"
        done = tondo("compile", "net.onnx", "-o", path, *words, **variables)
        assert done.status == 0, done.err
        manifest = tondo_runtime.Artifact.open(path).manifest
        assert "x86" not in manifest.plugins
        assert "cpu" in manifest.plugins
        assert not [feature for feature in manifest.target.features if "avx" in feature]


def test_a_pipeline_file_chooses_an_older_machine(saved, network, tondo):
    (saved / "baseline.yaml").write_text("tondo: 1\ntarget: {kind: cpu, cpu: x86-64, threads: 1}\n")
    done = tondo("run", "net.onnx", "--input", "in.npz", "-o", "out.npz", "-c", "baseline.yaml")
    assert done.status == 0, done.err
    assert of_range(answer(saved), network[2]) <= 1e-5


def test_a_plugin_that_does_not_import_is_reported_and_stops_nothing(saved, network, tondo, install):
    path = install("tondo-broken", "broken", "raise RuntimeError('the driver is not installed')\n")
    listed = tondo("plugin", "list", PYTHONPATH=path)
    assert listed.status == 0, listed.err
    assert "TND-P001" in listed.out
    assert "RuntimeError: the driver is not installed" in listed.out
    assert "tondo_broken.py, line 1" in listed.out
    reports = {entry["id"]: entry for entry in tondo("plugin", "list", "--json", PYTHONPATH=path).json["plugins"]}
    assert reports["broken"]["status"] == "failed"
    assert {entry["status"] for name, entry in reports.items() if name != "broken"} == {"loaded"}
    done = tondo("run", "net.onnx", "--input", "in.npz", "-o", "out.npz", PYTHONPATH=path)
    assert done.status == 0, done.err
    assert of_range(answer(saved), network[2]) <= 1e-5


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("raise SystemExit(3)\n", "TND-P001"),
        ("import tondo_that_is_not_there\n", "TND-P001"),
        ("this is no Python\n", "TND-P001"),
        ("x = 1\n", "TND-P003"),
        ("from tondo.plugin import PluginInfo\nTONDO_PLUGIN = PluginInfo('other', api=999)\n", "TND-P003"),
        (HEADER + "@hookimpl\ndef register_spells():\n    return []\n", "TND-P004"),
        (HEADER + "@hookimpl\ndef register_passes():\n    raise ValueError('no')\n", "TND-P001"),
    ],
    ids=["exit", "import", "syntax", "no info", "newer", "unknown hook", "hook raises"],
)
def test_every_broken_plugin_is_reported(source, code, tondo, install):
    done = tondo("plugin", "list", PYTHONPATH=install("tondo-other", "other", source))
    assert done.status == 0, done.err
    assert code in done.out
    assert "loaded" in done.out
    assert "Traceback" not in done.out + done.err


def test_two_plugins_of_one_name(saved, tondo, install):
    install("tondo-first", "twin", HEADER)
    path = install("tondo-second", "twin", HEADER)
    listed = tondo("plugin", "list", PYTHONPATH=path)
    assert listed.status == 0
    assert "the plugin id 'twin' is claimed by tondo-first 1.0 and tondo-second 1.0" in listed.out
    assert "help: uninstall one of these packages" in listed.out


def test_bad_plugins_side_by_side_are_reported_and_stop_nothing(saved, network, tondo, install):
    """A broken one, two of one name, one for a newer interface, and names that would paint the terminal."""
    install("tondo-broken", "broken", "raise RuntimeError('no driver')\n")
    install("tondo-first", "twin", HEADER)
    install("tondo-second", "twin", HEADER)
    install("tondo-newer", "newer", HEADER.replace('PluginInfo("other")', 'PluginInfo("other", api=99)'))
    install("tondo-evil", "../evil\x1b[31m", HEADER)
    install("tondo-other", "painter", HEADER + PASS.replace("NAME", "evil\x1b[31m"))
    path = install("tondo-good", "good", HEADER + PASS.replace("NAME", "good.mine"))
    done = tondo("plugin", "list", PYTHONPATH=path)
    assert done.status == 0, done.err
    assert "\x1b" not in done.out + done.err
    listed = tondo("plugin", "list", "--json", PYTHONPATH=path)
    assert "\x1b" not in listed.out
    reports = {(entry["id"], entry["distribution"]): entry for entry in listed.json["plugins"]}
    bad = {
        ("broken", "tondo-broken"): ("failed", "TND-P001"),
        ("twin", "tondo-first"): ("failed", "TND-P002"),
        ("twin", "tondo-second"): ("failed", "TND-P002"),
        ("newer", "tondo-newer"): ("incompatible", "TND-P003"),
        ("../evil\\x1b[31m", "tondo-evil"): ("failed", "TND-P001"),
        ("painter", "tondo-other"): ("failed", "TND-P004"),
    }
    for key, (status, code) in bad.items():
        assert reports[key]["status"] == status
        assert reports[key]["diagnostics"][0].startswith(code)
    assert {entry["status"] for key, entry in reports.items() if key not in bad} == {"loaded"}
    checked = tondo("plugin", "check", "--json", PYTHONPATH=path)
    assert checked.status == 1
    broken = {found["plugin"] for found in checked.json["checks"] if found["problem"] is not None}
    assert broken == {name for name, _ in bad} | {"good"}  # the last one says nothing about its pass
    done = tondo("run", "net.onnx", "--input", "in.npz", "-o", "out.npz", PYTHONPATH=path)
    assert done.status == 0, done.err
    assert of_range(answer(saved), network[2]) <= 1e-5


def test_two_passes_of_one_name(saved, tondo, install):
    path = install("tondo-other", "other", HEADER + PASS.replace("NAME", "graph.fuse"))
    done = tondo("run", "net.onnx", "--input", "in.npz", PYTHONPATH=path)
    assert done.status == 5
    assert "error[TND-P002]" in done.err
    assert "tondo-other" in done.err
    assert "tondo-passes" in done.err
    assert "  help: " in done.err
    listed = tondo("plugin", "list", PYTHONPATH=path)
    assert listed.status == 0
    assert "TND-P002" in listed.out


def test_a_pass_of_a_plugin_in_a_pipeline_file(saved, network, tondo, install):
    path = install("tondo-other", "other", HEADER + PASS.replace("NAME", "other.mine"))
    shown = tondo("pipeline", "show", PYTHONPATH=path).out
    (saved / "mine.yaml").write_text(shown.replace("passes:\n", "passes:\n- use: other.mine\n"))
    done = tondo("compile", "net.onnx", "-o", "net.tondo", "-c", "mine.yaml", PYTHONPATH=path)
    assert done.status == 0, done.err
    manifest = tondo_runtime.Artifact.open(saved / "net.tondo").manifest
    assert manifest.plugins["other"] == "1.0"
    with tondo_runtime.load(saved / "net.tondo") as session:
        assert of_range(session(*network[1].values()), network[2]) <= 1e-5
