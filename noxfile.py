"""Everything that a developer or the continuous integration runs, by name: ``nox -s <session>``.

Needs Python 3.11, pip and git. ``demo`` and ``tests`` are the two front doors; the others are their parts.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["tests", "vendor"]
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
FOLDERS = {
    "runtime": "packages/runtime",
    "core": "packages/core",
    "schedule": "packages/schedule",
    "onnx": "packages/frontends/onnx",
    "llvm": "packages/codegen-llvm",
    "ops": "plugins/ops",
    "passes": "plugins/passes",
    "cpu": "plugins/cpu",
    "x86": "plugins/x86",
    "blas": "plugins/blas",
    "tvm-ffi": "plugins/tvm-ffi",
    "cli": "packages/cli",
    "kit": "packages/conformance",
}
VENDOR = ("examples/vendor-npu/runtime", "examples/vendor-npu/compiler")
"""Packages of a third party: never installed with the others, so that nothing here comes to need them."""
WORKERS = ("-n", "2")
GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")


def _group(*names: str) -> list[str]:
    """Requirements of dependency groups of the workspace."""
    return list(nox.project.dependency_groups(GROUPS, *names))


def _project(folder: str) -> dict[str, dict]:
    return nox.project.load_toml(ROOT / folder / "pyproject.toml")


def _test_requirements(folder: str) -> list[str]:
    """What the tests of the package in ``folder`` need beyond its dependencies: its group ``test``."""
    project = _project(folder)
    has_group = "test" in project.get("dependency-groups", {})
    return list(nox.project.dependency_groups(project, "test")) if has_group else []


def _by_name() -> dict[str, str]:
    """Folders of the packages of this repository by the name of the distribution."""
    return {_project(path)["project"]["name"]: path for path in FOLDERS.values()}


def _name(requirement: str) -> str:
    """The distribution that ``requirement`` names."""
    return re.split(r"[\s\[<>=!~;]", requirement.strip(), maxsplit=1)[0]


def _local(folder: str) -> list[str]:
    """Folders of the package in ``folder`` and of all packages here that it or its tests declare, in any depth."""
    by_name = _by_name()
    seen: list[str] = []

    def visit(path: str, further: list[str]) -> None:
        if path in seen:
            return
        seen.append(path)
        for requirement in [*_project(path)["project"].get("dependencies", []), *further]:
            if _name(requirement) in by_name:
                visit(by_name[_name(requirement)], [])

    visit(folder, _test_requirements(folder))
    return seen


def _elsewhere(requirements: list[str]) -> list[str]:
    """Those of ``requirements`` that are not packages of this repository."""
    by_name = _by_name()
    return [requirement for requirement in requirements if _name(requirement) not in by_name]


def _editable(folders: list[str]) -> list[str]:
    return [argument for folder in folders for argument in ("-e", folder)]


def _install_all(session: nox.Session, *groups: str) -> None:
    """Install every package of the repository from its folder, with what the groups name."""
    session.install(*_editable(list(FOLDERS.values())), *_group(*groups))


def _environment() -> dict[str, str]:
    """Two workers share the machine: keep the arithmetic libraries of the reference engines to one thread each."""
    return {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NO_COLOR": "1"}


def _lint(session: nox.Session) -> None:
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


def _kit(session: nox.Session, *options: str) -> None:
    session.run("pytest", "--pyargs", "tondo_conformance", *options, env=_environment())


def _examples(session: nox.Session) -> None:
    for script in sorted((ROOT / "examples").glob("[0-9]*_*.py")):
        session.run("python", str(script.relative_to(ROOT)), env=_environment())


@nox.session
def demo(session: nox.Session) -> None:
    """Compile and run ResNet-50 with random weights, and compare the answer and the latency with onnxruntime."""
    _install_all(session, "reference")
    session.run("python", "examples/resnet50.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """All that the continuous integration runs: lint, types, layers, every test but the long ones, docs, examples."""
    _install_all(session, "test", "lint", "types", "layers", "reference")
    _lint(session)
    session.run("lint-imports")
    session.run("basedpyright")
    session.run("pytest", *WORKERS, "-m", "not long", *session.posargs, env=_environment())
    _kit(session, "--tondo-quick")
    session.run("python", "docs/check.py")
    _examples(session)


@nox.session
def lint(session: nox.Session) -> None:
    """Rules of style and form (ruff)."""
    session.install(*_group("lint"))
    _lint(session)


@nox.session
def types(session: nox.Session) -> None:
    """Types, strict, of every package's source (basedpyright)."""
    _install_all(session, "types")
    session.run("basedpyright", *session.posargs)


@nox.session
def layers(session: nox.Session) -> None:
    """Arrows between packages and inside the core (import-linter)."""
    _install_all(session, "layers")
    session.run("lint-imports")


@nox.session
@nox.parametrize("package", [nox.param(name, id=name) for name in FOLDERS])
def unit(session: nox.Session, package: str) -> None:
    """Tests of one package in an environment with that package and its declared dependencies alone."""
    folder = FOLDERS[package]
    session.install(*_editable(_local(folder)), *_elsewhere(_test_requirements(folder)), *_group("test"))
    session.run(
        "pytest", "-c", "pyproject.toml", f"{folder}/tests", "-m", "not long", *session.posargs, env=_environment()
    )


@nox.session
def e2e(session: nox.Session) -> None:
    """Tests that span packages: whole models, the command line, the architecture."""
    _install_all(session, "test", "reference")
    session.run("pytest", *WORKERS, "tests", "-m", "not long", *session.posargs, env=_environment())


@nox.session
def long(session: nox.Session) -> None:
    """Tests that take minutes each: every network in every form, thousands of random graphs and functions.

    TONDO_TEST_MODELS names a folder of exported models, ``NAME/model.onnx`` with ``inputs.npz`` and ``bench.npz``.
    """
    _install_all(session, "test", "reference")
    session.run("pytest", "-m", "long", *(session.posargs or ["tests"]), env=_environment())


@nox.session
def conformance(session: nox.Session) -> None:
    """The official ONNX backend tests."""
    _install_all(session, "test", "reference")
    session.run("pytest", *WORKERS, "tests/conformance", *session.posargs, env=_environment())


@nox.session
def kit(session: nox.Session) -> None:
    """The conformance kit of back ends, all levels, for the CPU; ``-- --tondo-quick`` is the short selection."""
    _install_all(session)
    _kit(session, "--tondo-level", "L4", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Mutated models are refused with a code or computed right: ``-- --count N --seed S``; failures become files."""
    _install_all(session, "test", "reference")
    environment = {**_environment(), "PYTHONPATH": str(ROOT / "tests" / "support")}
    session.run("python", "-m", "fuzz", *(session.posargs or ["--count", "1000", "--jobs", "2"]), env=environment)


@nox.session
def docs(session: nox.Session) -> None:
    """Code blocks of the documentation run, and links lead somewhere."""
    _install_all(session, "reference")
    session.run("python", "docs/check.py", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """Every numbered example runs."""
    _install_all(session, "reference")
    _examples(session)


@nox.session
def bench(session: nox.Session) -> None:
    """Latency beside other engines, measured alternately, ratios only; ``-- --help`` lists the other sections."""
    _install_all(session, "reference", "engines")
    session.run("python", "benchmarks/run.py", *session.posargs)


def _wheels(session: nox.Session, folders: list[str], dist: Path) -> list[str]:
    """Build wheels (and source archives) of the packages in ``folders``."""
    session.install("build>=1.2,<2")
    shutil.rmtree(dist, ignore_errors=True)
    for folder in folders:
        session.run("python", "-m", "build", "--outdir", str(dist), folder, silent=True)
    return [str(path) for path in sorted(dist.glob("*.whl"))]


def _fresh(session: nox.Session, name: str) -> str:
    """Return the interpreter of a new, empty environment."""
    venv = Path(session.create_tmp()) / name
    session.run(sys.executable, "-m", "venv", "--clear", str(venv), external=True)
    return str(venv / ("Scripts" if os.name == "nt" else "bin") / "python")


@nox.session
def vendor(session: nox.Session) -> None:
    """The example accelerator: wheels of it and of the compiler in a fresh environment, and its tests there.

    ``-- -m long`` runs ResNet-50, and BERT-base if TONDO_TEST_MODELS names a folder of exported models.
    """
    dist = Path(session.create_tmp()) / "dist"
    wheels = _wheels(session, [*FOLDERS.values(), *VENDOR], dist)
    python = _fresh(session, "vendor")
    needed = [requirement for folder in VENDOR for requirement in _elsewhere(_test_requirements(folder))]
    extra = [*_group("test"), *needed, *_group("reference")]
    session.run(python, "-m", "pip", "install", "--quiet", *wheels, *extra, external=True)
    session.run(python, "-m", "tondo_cli", "plugin", "check", "npu", external=True)
    chosen = session.posargs or ["-m", "not long"]
    tests = [f"{folder}/tests" for folder in VENDOR]
    session.run(python, "-m", "pytest", *tests, *chosen, env=_environment(), external=True)


@nox.session
def build(session: nox.Session) -> None:
    """Wheels of every package in ``dist/``, installed together into a fresh environment and imported."""
    wheels = _wheels(session, list(FOLDERS.values()), ROOT / "dist")
    python = _fresh(session, "wheels")
    session.run(python, "-m", "pip", "install", "--quiet", *wheels, external=True)
    session.run(python, "-m", "tondo_cli", "doctor", external=True)
