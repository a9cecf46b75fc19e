"""``tondo plugin``: about one plugin, lock files, checks of what plugins promise."""

from __future__ import annotations

import json
from pathlib import Path


def test_info_tells_what_a_plugin_brings(tondo) -> None:
    done = tondo("plugin", "info", "x86")
    assert done.status == 0
    assert "c[v] = c[v] + a[v] * b[v]  (a 8 float32, b 8 float32, c 8 float32)" in done.out
    found = tondo("plugin", "info", "passes", "--json").json
    assert found["distribution"] == "tondo-passes"
    assert found["provides"]["register_passes"]["graph.fuse"]
    assert any(requirement.startswith("tondo-core") for requirement in found["requires"])


def test_an_unknown_plugin_is_told(tondo) -> None:
    done = tondo("plugin", "info", "x87\x1b[0m")
    assert done.status == 5
    assert "error[TND-P001]" in done.err
    assert "\x1b" not in done.err
    assert "did you mean 'x86'" in tondo("plugin", "info", "x87").err


def test_the_default_set_is_sound(tondo) -> None:
    done = tondo("plugin", "check", "--json")
    assert [found for found in done.json["checks"] if found["problem"] is not None] == []
    assert done.status == 0
    assert {"core", "onnx", "llvm", "ops", "passes", "cpu", "x86"} <= {found["plugin"] for found in done.json["checks"]}


def test_a_lock_holds_until_a_plugin_changes(tondo, monkeypatch) -> None:
    assert tondo("plugin", "lock").status == 0
    assert tondo("plugin", "check", "core", "--locked", "tondo.lock").status == 0
    lock = json.loads(Path("tondo.lock").read_text())
    (entry,) = [entry for entry in lock["plugins"] if entry["id"] == "x86"]
    entry["version"] = "0.0.9"
    Path("old.lock").write_text(json.dumps(lock))
    done = tondo("check", "model.onnx", "--locked", "old.lock")
    assert done.status == 5
    assert "error[TND-P005]" in done.err
    assert "'x86' is tondo-x86 0.1.0 instead of tondo-x86 0.0.9" in done.err
    monkeypatch.setenv("TONDO_LOCK", "old.lock")
    assert tondo("compile", "model.onnx").status == 5
    assert tondo("compile", "model.onnx", "--locked", "tondo.lock").status != 5
