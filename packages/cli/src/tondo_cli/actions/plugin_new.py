"""New plugin packages, from templates that are packages themselves: they run, and their names are replaced."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from tondo.diagnostics import fail, suggest

_LONGEST: Final = 40
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LICENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+() -]{0,99}")
_PACKAGE: Final = "sample_plugin"
_DISTRIBUTION: Final = "sample-plugin"


@dataclass(frozen=True, slots=True)
class Kind:
    """What tells the packages of one kind apart.

    Attributes:
        module: name of the module that does the work.
        dependencies: distributions that it imports.
        tests: distributions that only its tests need.
        entry_points: further entry points, by group; values may name the package.
    """

    module: str
    dependencies: tuple[str, ...] = ("tondo-core>=0.1,<0.2",)
    tests: tuple[str, ...] = ("numpy>=2.0,<3",)
    entry_points: Mapping[str, Mapping[str, str]] | None = None


_NUMPY: Final = "numpy>=2.0,<3"
_DEFAULT_SET: Final = "tondo>=0.1,<0.2"
_CORE: Final = "tondo-core>=0.1,<0.2"
_SCHEDULE: Final = "tondo-schedule>=0.1,<0.2"
_RUNTIME: Final = "tondo-runtime>=0.1,<0.2"

KINDS: Final[Mapping[str, Kind]] = {
    "frontend": Kind("frontend", (_CORE, _NUMPY), (_DEFAULT_SET,)),
    "ops": Kind("operators", tests=(_DEFAULT_SET, _NUMPY)),
    "passes": Kind("passes", tests=(_DEFAULT_SET, _NUMPY)),
    "target": Kind("targets", tests=(_DEFAULT_SET, _NUMPY)),
    "intrinsics": Kind("instructions", tests=(_DEFAULT_SET, _NUMPY)),
    "codegen": Kind(
        "compiler",
        (_CORE, _SCHEDULE, _RUNTIME, _NUMPY),
        (_DEFAULT_SET,),
        {"tondo_runtime.loaders": {_PACKAGE: f"{_PACKAGE}.machine:load"}},
    ),
    "library": Kind(
        "library",
        (_CORE, _SCHEDULE, _RUNTIME, _NUMPY),
        (_DEFAULT_SET,),
        {"tondo_runtime.resolvers": {_PACKAGE: f"{_PACKAGE}.kernels:resolve"}},
    ),
    "tuner": Kind("search", (_CORE, _SCHEDULE, _NUMPY, "typer>=0.16,<1"), (_DEFAULT_SET,)),
}
"""Kinds of packages by name."""


def new_package(name: str, kind: str, folder: Path, licence: str) -> tuple[Path, list[str]]:
    """Write an installable package and return its folder and its files.

    Args:
        name: of the distribution and the plugin, such as ``acme-npu``; the import name has underscores.
        kind: one of :data:`KINDS`.
        folder: where the package's folder is made.
        licence: an SPDX expression.

    Raises:
        TondoError: TND-U005 for a name, kind or licence that cannot be, or a folder that exists; nothing is written.
    """
    if kind not in KINDS:
        fail("TND-U005", f"'{kind}' is no kind of plugin", help=suggest(kind, KINDS) or f"choose {', '.join(KINDS)}")
    _check_name(name)
    if _LICENCE.fullmatch(licence) is None:
        fail("TND-U005", f"{licence!r} is no SPDX licence expression", help="such as 'Apache-2.0' or 'MIT'")
    place = folder / name
    if place.exists() or place.is_symlink():
        fail("TND-U005", f"{place} exists already", help="choose another name or another --path")
    if not folder.is_dir():
        fail("TND-U005", f"{folder} is no folder", help="create it first")
    contents = dict(_rendered(name, kind, licence))
    try:
        place.mkdir()
        for path, text in contents.items():
            target = place / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        fail("TND-U005", f"{place} cannot be written: {error.strerror}")
    return place, sorted(contents)


def _check_name(name: str) -> None:
    package = name.replace("-", "_")
    reason = None
    if len(name) > _LONGEST or _NAME.fullmatch(name) is None:
        reason = "a plugin's name is lower-case letters and digits with single dashes between them, 40 at most"
    elif keyword.iskeyword(package) or package in sys.stdlib_module_names:
        reason = f"the import name '{package}' belongs to Python"
    elif package == "tondo" or package.startswith("tondo_"):
        reason = "names that begin with 'tondo' belong to Tondo's own packages"
    elif package in {"test", "tests", "docs", "src"} or _is_installed(package):
        reason = f"a module '{package}' is installed already"
    if reason is not None:
        fail("TND-U005", f"a plugin cannot be called {name!a}: {reason}", help="such as 'acme-npu'")


def _is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def _rendered(name: str, kind: str, licence: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of every file."""
    facts, root = KINDS[kind], files("tondo_cli") / "templates"
    marks = {
        "@SUMMARY@": _summary(root / kind),
        "@LICENCE@": licence,
        "@MODULE@": facts.module,
        "@DEPENDENCIES@": _items(facts.dependencies),
        "@TEST_DEPENDENCIES@": _items(facts.tests),
        "@ENTRY_POINTS@": _entry_points(facts.entry_points or {}),
    }
    for template in (root / "common", root / kind):
        for path, file in _files(template, ""):
            text = file.read_text(encoding="utf-8")
            for mark, value in marks.items():
                text = text.replace(mark, value)
            yield _named(path.removesuffix(".in"), name), _named(text, name)


def _summary(template: Traversable) -> str:
    """Return the sentence that the package begins with."""
    return (template / "src" / _PACKAGE / "__init__.py").read_text(encoding="utf-8").strip().strip('"')


def _files(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.startswith((".", "__pycache__")):
            continue
        if entry.is_dir():
            yield from _files(entry, f"{path}{entry.name}/")
        else:
            yield f"{path}{entry.name}", entry


def _named(text: str, name: str) -> str:
    return text.replace(_PACKAGE, name.replace("-", "_")).replace(_DISTRIBUTION, name)


def _items(requirements: tuple[str, ...]) -> str:
    return "".join(f'  "{requirement}",\n' for requirement in requirements)


def _entry_points(groups: Mapping[str, Mapping[str, str]]) -> str:
    lines: list[str] = []
    for group, entries in groups.items():
        lines += ["", f'[project.entry-points."{group}"]', *(f'{key} = "{value}"' for key, value in entries.items())]
    return "".join(f"{line}\n" for line in lines) + ("\n" if not lines else "")
