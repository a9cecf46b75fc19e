"""Arrows between packages and inside the core, so that a bare ``pytest`` notices a wrong one too.

The same rules stand as import-linter contracts in ``pyproject.toml``; that tool also follows chains of imports.
"""

from __future__ import annotations

import tomllib

import pytest

CORE = {"tondo", "tondo_runtime"}
MAY_IMPORT = {
    "tondo_runtime": set(),
    "tondo": {"tondo_runtime"},
    "tondo_schedule": CORE,
    "tondo_onnx": CORE,
    "tondo_llvm": CORE | {"tondo_schedule"},
    "tondo_ops": CORE,
    "tondo_x86": CORE,
    "tondo_blas": CORE | {"tondo_schedule"},
    "tondo_tvm_ffi": CORE | {"tondo_llvm"},
    "tondo_passes": CORE | {"tondo_schedule"},
    "tondo_cpu": CORE | {"tondo_schedule"},
    "tondo_cli": CORE,
    "tondo_conformance": CORE,
}
INSIDE_CORE = [
    {"driver"},
    {"plugin"},
    {"passes", "interp", "script"},
    {"arith", "target", "ffi"},
    {"ir"},
    {"diagnostics"},
    {"support"},
]
ROOMS = {
    "llvmlite": {"tondo_llvm", "tondo_runtime"},
    "onnx": {"tondo_onnx"},
    "pluggy": {"tondo"},
    "typer": {"tondo_cli", "tondo_tvm_ffi"},
    "rich": {"tondo_cli"},
    "torch": set(),
    "scipy_openblas32": {"tondo_blas"},
    "onnxruntime": {"tondo_cli"},
}


def test_every_package_has_a_rule(house):
    assert set(house.packages) == set(MAY_IMPORT)


@pytest.mark.parametrize("name", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_stands_below_it(house, name):
    package = house.packages[name]
    wrong = [
        f"{file.relative_to(house.root)}:{line} imports {target}"
        for file in package.files()
        for line, target in house.imports(file)
        if (top := target.split(".")[0]) in MAY_IMPORT and top != name and top not in MAY_IMPORT[name]
    ]
    assert wrong == []


def test_inside_the_core_arrows_go_down(house):
    level = {room: depth for depth, rooms in enumerate(INSIDE_CORE) for room in rooms}
    package = house.packages["tondo"]
    wrong = []
    for file in package.files():
        parts = package.module_of(file).split(".")
        if len(parts) < 2:
            continue
        room = parts[1]
        assert room in level, f"tondo.{room} stands in no layer"
        for line, target in house.imports(file):
            names = target.split(".")
            if names[0] != "tondo" or len(names) < 2 or names[1] not in level or names[1] == room:
                continue
            if level[names[1]] <= level[room]:
                wrong.append(f"{file.relative_to(house.root)}:{line} imports {target}")
    assert wrong == []


@pytest.mark.parametrize("dependency", sorted(ROOMS))
def test_a_heavy_dependency_stays_in_its_room(house, dependency):
    users = {
        name
        for name, package in house.packages.items()
        for file in package.files()
        for _, target in house.imports(file)
        if target.split(".")[0] == dependency
    }
    assert users <= ROOMS[dependency]


def test_the_runtime_needs_numpy_only(house):
    assert [requirement.split(">")[0] for requirement in house.packages["tondo_runtime"].project["dependencies"]] == [
        "numpy"
    ]


@pytest.mark.parametrize("name", sorted(MAY_IMPORT))
def test_what_a_package_imports_it_declares(house, name):
    package = house.packages[name]
    requirements = list(package.project["dependencies"])
    for extra in package.project.get("optional-dependencies", {}).values():
        requirements += extra
    declared = {_normal(requirement) for requirement in requirements}
    own = {_normal(other.project["name"]): other.module for other in house.packages.values()}
    imported = {target.split(".")[0] for file in package.files() for _, target in house.imports(file)}
    third_party = {"numpy", "ml_dtypes", "pydantic", "pluggy", "llvmlite", "onnx", "typer", "rich", "onnxruntime"}
    missing = {module for module in imported & third_party if _normal(module) not in declared}
    if "ruamel" in imported and "ruamel-yaml" not in declared:
        missing.add("ruamel.yaml")
    below = {own[requirement] for requirement in declared & set(own)}
    # tondo-core brings tondo-runtime and re-exports its values
    below |= {"tondo_runtime"} if "tondo" in below else set()
    missing |= (imported & set(MAY_IMPORT)) - below - {name}
    assert missing == set()


def test_no_import_contract_has_an_exception(house):
    contracts = tomllib.loads((house.root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert all("ignore_imports" not in contract for contract in contracts)


def _normal(requirement: str) -> str:
    name = requirement.split(";", maxsplit=1)[0]
    for sign in "<>=!~[ ":
        name = name.split(sign)[0]
    return name.strip().lower().replace("_", "-").replace(".", "-")
