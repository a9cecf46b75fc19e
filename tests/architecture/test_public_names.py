"""A name is public if and only if the ``__all__`` of its package lists it."""

from __future__ import annotations

import ast
import importlib


def test_every_package_lists_its_public_names(house):
    missing = []
    for package in house.packages.values():
        for file in package.source.rglob("__init__.py"):
            if _all(file) is None and _binds_names(file):
                missing.append(str(file.relative_to(house.root)))
    assert missing == []


def test_listed_names_exist_once_and_are_not_private(house):
    for package in house.packages.values():
        for file in package.source.rglob("__init__.py"):
            names = _all(file) or []
            module = importlib.import_module(package.module_of(file))
            assert len(names) == len(set(names)), file
            assert [name for name in names if not hasattr(module, name)] == [], file
            assert [name for name in names if name.startswith("_") and name != "__version__"] == [], file


def test_other_packages_use_no_private_module_or_name(house):
    wrong = []
    for package in house.packages.values():
        for file in package.files():
            for line, target in house.imports(file):
                top, *rest = target.split(".")
                if top in house.packages and top != package.module and any(_private(part) for part in rest):
                    wrong.append(f"{file.relative_to(house.root)}:{line} imports {target}")
    assert wrong == []


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _binds_names(file) -> bool:
    """Whether the file does more than carry a docstring."""
    future = [node for node in ast.parse(file.read_text()).body if getattr(node, "module", "") != "__future__"]
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in future)


def _all(file) -> list[str] | None:
    """The names in ``__all__``, or None; a lazy ``__getattr__`` module lists them as well."""
    for node in ast.parse(file.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return ast.literal_eval(node.value)
    return None
