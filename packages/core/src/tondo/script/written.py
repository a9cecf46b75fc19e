"""An operator as it is written: a Python function in script, of whose parameters some are attributes."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tondo.arith import Analyzer
from tondo.ir import FLOAT32, INT64, Attribute, Attrs, Expr, OpCall
from tondo.script.parse_types import DeclarationReader
from tondo.script.python_source import PyFunction
from tondo.script.reader import Source
from tondo.script.signature import bound, element_types
from tondo.script.sizes import Declared, undetermined
from tondo.script.specialize import specialize

_ANALYZER: Final = Analyzer()


@dataclass(frozen=True, eq=False)
class Written:
    """An operator as it is written: its function, and what of its parameters are attributes and element types."""

    name: str
    python: PyFunction
    source: Source
    tree: ast.FunctionDef
    attributes: Mapping[str, Attribute]
    types: tuple[str, ...]
    outputs: int

    def values(self, use: OpCall) -> Attrs:
        """Return what the names of attributes and element types stand for in ``use``."""
        own = bound(self.attributes, use)
        return Attrs({**own, **element_types(self.tree, self.types, use, DeclarationReader(self.source))})

    def usual(self) -> Attrs | None:
        """Return values to look at the function with before there is a use, None if there are none."""
        if any(attribute.default is None for attribute in self.attributes.values()):
            return None
        defaults = {name: attribute.default for name, attribute in self.attributes.items()}
        return Attrs({**defaults, **dict.fromkeys(self.types, FLOAT32)})

    def specialized(self, values: Attrs) -> ast.FunctionDef:
        """Return the function with ``values`` for attributes and element types."""
        return specialize(self.tree, values, self.source)

    def digest(self, nodes: Mapping[str, str]) -> str:
        """Return a text that changes with what the operator means."""
        parts = (self.name, self.outputs, sorted(nodes.items()), self.source.text)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def check(self, inputs: tuple[Declared, ...], results: tuple[Declared, ...]) -> None:
        """Refuse sizes that no input gives."""
        for where, size in undetermined(inputs, results):
            DeclarationReader(self.source).fail(
                self.tree,
                f"no input gives the size '{size}' of '{where}'",
                code="TND-S003",
                help="name it in the shape of an input, or make it an attribute after '*'",
            )


def simple(expr: Expr) -> Expr:
    """Return ``expr`` simplified if it is a size or an index."""
    return _ANALYZER.simplify(expr) if expr.dtype == INT64 else expr
