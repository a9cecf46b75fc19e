"""The tensor functions of a module while a pass adds some."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tondo.ir import digest
from tondo_passes.graph.names import NameSupply

if TYPE_CHECKING:
    from tondo.ir import IRModule, TensorFunction


class Functions:
    """The tensor functions of a module and those made in addition, equal ones once."""

    def __init__(self, module: IRModule) -> None:
        """Start from the functions of ``module``."""
        self._module = module
        self._fresh = NameSupply(module.functions)
        self._by_digest: dict[tuple[str, tuple[str, ...]], str] = {}
        self.made: dict[str, TensorFunction] = {}

    def __getitem__(self, name: str) -> TensorFunction:
        """Return the function ``name``."""
        return self.made[name] if name in self.made else self._module.tensor(name)

    def add(self, function: TensorFunction) -> TensorFunction:
        """Return ``function`` under a new name, or an equal one of the same dimensions that was added before."""
        key = digest(function), tuple(var.name for var in function.scalars)  # callers pass the scalars on as they are
        if key not in self._by_digest:
            name = self._fresh(function.name)
            self._by_digest[key] = name
            self.made[name] = replace(function, name=name)
        return self.made[self._by_digest[key]]
