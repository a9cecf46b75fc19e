"""Size of modules, completeness of packages, and words that do not belong into the repository."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

LONGEST_MODULE = 500
FOREIGN = re.compile(
    r"/wor[k]/|/far[m]/|/tmp/[v]\b|DEVELOPERS\.m[d]|[.]librar[y]/|/opt/(pyp[i]|wheel[s])|(?i:\bissue\s+#\d)"
)


def test_modules_are_short(house):
    long = {
        str(file.relative_to(house.root)): count
        for package in house.packages.values()
        for file in package.files()
        if (count := len(file.read_text().splitlines())) > LONGEST_MODULE
    }
    assert long == {}


def test_every_module_says_what_it_does(house):
    silent = [
        str(file.relative_to(house.root))
        for package in house.packages.values()
        for file in package.files()
        if file.read_text().strip() and not file.read_text().lstrip().startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_every_package_is_complete(house):
    for package in house.packages.values():
        project = package.project
        assert (package.folder / "README.md").is_file(), package.module
        assert (package.source / "py.typed").is_file(), package.module
        assert any((package.folder / "tests").glob("**/test_*.py")), package.module
        assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"]), package.module
        assert project["license"] == "Apache-2.0", package.module
        assert project["requires-python"] == ">=3.11", package.module
        assert all(re.search(r"[<>=~]", requirement) for requirement in project["dependencies"]), package.module


def test_the_core_states_its_version_once(house):
    import tondo

    assert house.packages["tondo"].project["version"] == tondo.__version__


@pytest.mark.parametrize("name", ["onnx", "llvm", "ops", "passes", "cpu", "x86"])
def test_plugins_are_entry_points_of_one_group(house, name):
    project = house.packages[f"tondo_{name}"].project
    assert project["entry-points"] == {"tondo.plugins": {name: f"tondo_{name}.plugin"}}


def test_the_workspace_knows_every_package(house):
    settings = tomllib.loads((house.root / "pyproject.toml").read_text())["tool"]
    names = {package.project["name"] for package in house.packages.values()}
    assert set(settings["uv"]["sources"]) == names
    assert set(settings["importlinter"]["root_packages"]) == set(house.packages)


def test_no_workplace_words(house):
    listed = subprocess.run(
        ["git", "ls-files"], cwd=house.root, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = []
    for name in listed:
        file = house.root / name
        if not file.is_file():
            continue
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{name}: {match[0]}" for match in FOREIGN.finditer(text)]
    assert found == []
