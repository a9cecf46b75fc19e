"""Operator, schedule rule and instruction in three packages, which meet only through the core."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tondo.plugin import collect
from tondo.target import parse_target

pytestmark = pytest.mark.llvm

HERE = Path(__file__).parents[2] / "examples" / "collaboration"
PACKAGES = {"operator": "fixed_point", "rule": "dot_rule", "instruction": "vendor_dots"}
WIDTHS = {"x86-64": ("sse2", "vendor.pairs.int16x8"), "haswell": ("avx2", "vendor.pairs.int16x16")}


def call(words):
    environment = {**os.environ, "PIP_NO_CACHE_DIR": "1"}
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, env=environment, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build a wheel of each package, install it into a folder of its own, return the folders by package."""
    root = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    for name in PACKAGES:
        wheels, folder = root / f"{name}-wheel", root / name
        build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", wheels, HERE / name]
        call(build)
        (wheel,) = wheels.glob("*.whl")
        install = [*pip, "install", "--no-deps", "--no-index", "--target", folder, wheel]
        call(install)
    return {name: root / name for name in PACKAGES}


@pytest.fixture
def compare(installed, tmp_path):
    """Run ``compare.py`` in a process that sees the named packages only."""

    def run(packages, target):
        folders = [str(installed[name]) for name in packages]
        path = os.pathsep.join([*folders, *filter(None, [os.environ.get("PYTHONPATH")])])
        words = [sys.executable, str(HERE / "compare.py"), "--target", target]
        environment = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def able(cpu):
    """Return the target for ``cpu`` if code for it runs here."""
    providers = collect().targets.values()
    host, feature = parse_target("native", providers), WIDTHS[cpu][0]
    if host.arch != "x86_64" or not host.has(feature):
        pytest.skip(f"this machine is {host.arch} without {feature}")
    return f"cpu={cpu},threads=1"


@pytest.mark.parametrize("cpu", WIDTHS)
def test_the_vendors_instruction_is_used(compare, cpu):
    found = compare(PACKAGES, able(cpu))
    assert found["rule"] == ["dots.rows"]
    assert found["instructions"] == {WIDTHS[cpu][1]: 1}
    assert found["exact"]


def test_without_the_vendor_only_speed_changes(compare):
    """The result is numpy's in both processes, bit for bit; a disturbed measurement is repeated."""
    target = able("haswell")
    for _ in range(3):
        with_it, without = compare(PACKAGES, target), compare(("operator", "rule"), target)
        assert without["exact"]
        assert with_it["exact"]
        assert without["rule"] == ["cpu.contraction"]
        assert not any(name.startswith("vendor.") for name in without["instructions"])
        print(f"with the instruction {with_it['seconds']:.2e} s, without {without['seconds']:.2e} s")
        if with_it["seconds"] < without["seconds"]:
            return
    pytest.fail("the instruction makes it slower")


@pytest.mark.parametrize("packages", [("operator",), ("operator", "instruction")], ids=" and ".join)
def test_without_the_rule_the_generic_one_serves(compare, packages):
    found = compare(packages, "native,threads=1")
    assert found["exact"]
    assert found["rule"] == ["cpu.contraction"]
    assert not any(name.startswith("vendor.") for name in found["instructions"])


def test_without_the_operator_the_node_is_unknown(installed, tmp_path):
    words = [sys.executable, str(HERE / "compare.py")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(installed[name]) for name in ("rule", "instruction")),
    }
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode != 0
    assert "TND-M003" in done.stderr
    assert "fixed.Linear" in done.stderr


@pytest.mark.parametrize("name", PACKAGES)
def test_no_package_knows_another(name):
    """Of Tondo, too, only what a third party may rely on: core and schedule."""
    imported = set()
    for file in (HERE / name / "src").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                imported.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
        others = {"fixed.linear", "dots.rows", "vendor.pairs"} - {
            "operator": {"fixed.linear"},
            "rule": {"dots.rows"},
            "instruction": {"vendor.pairs"},
        }[name]
        assert not [other for other in others if other in text], file
    allowed = {"tondo", PACKAGES[name], *({"tondo_schedule"} if name == "rule" else ())}
    assert imported - set(sys.stdlib_module_names) <= allowed
