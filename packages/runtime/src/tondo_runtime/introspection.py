"""What is registered: of what kind, where it is defined, what it says, and who registered it."""

from __future__ import annotations

import fnmatch
import functools
import importlib.metadata
import inspect
from dataclasses import dataclass
from typing import Literal

from tondo_runtime.registry import PackedFunction, get, names


@dataclass(frozen=True, slots=True)
class FunctionInfo:
    """A registered function as people look at it.

    Attributes:
        name: the registered name.
        kind: ``native`` if generated code calls it without Python.
        defined: ``file:line`` of a Python function, ``library:symbol`` of a native one.
        summary: first line of its documentation.
        module: the Python module that registered it.
        distribution: the installed package that this module belongs to; empty if it is of none.
    """

    name: str
    kind: Literal["python", "native"]
    defined: str
    summary: str
    module: str
    distribution: str

    def to_json(self) -> dict[str, str]:
        """Return the fields by name."""
        return {
            "name": self.name,
            "kind": self.kind,
            "defined": self.defined,
            "summary": self.summary,
            "module": self.module,
            "distribution": self.distribution,
        }


def describe(name: str) -> FunctionInfo:
    """Return what is known of the function registered under ``name``.

    Raises:
        RuntimeFailure: TND-R002 if there is none.
    """
    return _info(get(name))


def list_functions(pattern: str = "*") -> tuple[FunctionInfo, ...]:
    """Return what is known of all functions whose names match the shell pattern ``pattern``, sorted by name."""
    return tuple(_info(get(name)) for name in names() if fnmatch.fnmatchcase(name, pattern))


def _info(function: PackedFunction) -> FunctionInfo:
    documentation = inspect.getdoc(function.function) if function.function is not None else None
    summary = (documentation or "").strip().partition("\n")[0]
    defined = function.origin or _place(function.function)
    kind = "native" if function.is_native else "python"
    return FunctionInfo(function.name, kind, defined, summary, function.module, _distribution(function.module))


def _place(function: object) -> str:
    """Return ``file:line`` of a Python callable, as far as it has one."""
    inner = inspect.unwrap(function) if callable(function) else function
    while isinstance(inner, functools.partial):
        inner = inner.func
    code = getattr(inner, "__code__", None)
    if code is None and callable(inner):
        code = getattr(type(inner).__call__, "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    return f"{getattr(inner, '__module__', None) or 'builtins'}.{getattr(inner, '__qualname__', type(inner).__name__)}"


@functools.cache
def _distribution(module: str) -> str:
    """Return the package of ``module``; one that is installed in place is known by its name alone."""
    top = module.partition(".")[0]
    found = _distributions().get(top)
    if found is not None:
        return ", ".join(sorted(set(found)))
    try:
        return importlib.metadata.distribution(top.replace("_", "-")).name if top else ""
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _distributions() -> dict[str, tuple[str, ...]]:
    return {name: tuple(found) for name, found in importlib.metadata.packages_distributions().items()}
