"""What the architecture tests look at: the packages of this repository, their files and what they import."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Package:
    """One distribution: its folder and the name that it is imported by."""

    folder: Path
    module: str

    @cached_property
    def project(self) -> dict:
        return tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]

    @property
    def source(self) -> Path:
        return self.folder / "src" / self.module

    def files(self) -> list[Path]:
        # templates are packages of their own, with a name that is replaced
        return sorted(
            file for file in self.source.rglob("*.py") if "templates" not in file.relative_to(self.source).parts
        )

    def module_of(self, file: Path) -> str:
        parts = file.relative_to(self.folder / "src").with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class House:
    """The repository."""

    root = ROOT

    @cached_property
    def packages(self) -> dict[str, Package]:
        found = {}
        for pattern in ("packages/*/src/*", "packages/*/*/src/*", "plugins/*/src/*"):
            for source in ROOT.glob(pattern):
                if source.is_dir() and source.name.startswith("tondo") and "." not in source.name:
                    found[source.name] = Package(source.parents[1], source.name)
        return dict(sorted(found.items()))

    def imports(self, file: Path) -> Iterator[tuple[int, str]]:
        """Line and full name of everything that ``file`` imports, anywhere in it, type-only imports too."""
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}:{node.lineno} relative import"
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.fixture(scope="session")
def house() -> House:
    return House()
