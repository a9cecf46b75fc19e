"""New packages: names that cannot be, what is written, and the packages' own tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tondo_cli.actions.plugin_new import KINDS


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/tmp/evil",
        "a/b",
        "..",
        "",
        "-x",
        "Acme",
        "acme_npu",
        "acme--npu",
        "acme-",
        "class",
        "json",
        "tondo",
        "tondo-onnx",
        "numpy",
        "a" * 41,
        "acme\x1b[31m",
        "acme\nx",
        "äcme",
    ],
)
def test_names_that_cannot_be(tondo, name) -> None:
    before = sorted(Path().iterdir())
    done = tondo("plugin", "new", "--kind", "ops", "--", name)
    assert done.status == 2
    assert "error[TND-U005]" in done.err
    assert "\x1b" not in done.err
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("acme", "--kind", "opps"), "did you mean 'ops'"),
        (("acme", "--kind", "ops", "--path", "nowhere"), "nowhere is no folder"),
        (("acme", "--kind", "ops", "--license", 'MIT"\n[x]'), "no SPDX licence expression"),
    ],
)
def test_other_mistakes(tondo, words, reason) -> None:
    done = tondo("plugin", "new", *words)
    assert done.status == 2
    assert reason in done.err


def test_a_folder_that_exists_is_left_alone(tondo) -> None:
    Path("acme").mkdir()
    Path("acme/mine.txt").write_text("mine")
    done = tondo("plugin", "new", "acme", "--kind", "ops")
    assert done.status == 2
    assert "acme exists already" in done.err
    assert [path.name for path in Path("acme").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_installed_sound_and_passes_its_own_tests(tondo, tmp_path, kind) -> None:
    """The package's metadata is written as an installer would, and everything runs in processes of its own."""
    done = tondo("plugin", "new", "acme-thing", "--kind", kind, "--license", "MIT", "--json")
    assert done.status == 0, done.err
    package = tmp_path / "acme-thing"
    assert sorted(done.json["files"]) == sorted(
        path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()
    )
    assert not [path for path in package.rglob("*") if "sample" in path.name]
    for path in package.rglob("*"):
        text = path.read_text() if path.is_file() else ""
        assert "sample" not in text.replace("Sampler", "").replace("sampler", "").lower(), path
        assert re.search(r"@[A-Z_]+@", text) is None, path
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["license"] == "MIT"
    assert any(requirement.startswith("tondo-core>=0.1,<") for requirement in project["dependencies"])
    site = _installed(package, project)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(package / "src")])}
    checked = _run(environment, package, "-m", "tondo_cli", "plugin", "check", "acme-thing")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tests = _run(environment, package, "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert " passed" in tests.stdout


def _installed(package: Path, project: dict) -> Path:
    site = package.parent / "site"
    info = site / "acme_thing-0.1.0.dist-info"
    info.mkdir(parents=True)
    requires = "".join(f"Requires-Dist: {requirement}\n" for requirement in project["dependencies"])
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-thing\nVersion: 0.1.0\n{requires}")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


def _run(environment: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
