"""An operator that is written as loops over buffers, the last of which are its results."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from tondo.ir import (
    Attrs,
    Buffer,
    Expr,
    OpCall,
    TensorFunction,
    TensorType,
    Var,
    definitions,
    free_vars,
    simplify_with,
    substitute,
    walk,
)
from tondo.script.nests import with_blocks
from tondo.script.parse_graph import ModuleReader
from tondo.script.parse_types import DeclarationReader
from tondo.script.sizes import Declared, solved
from tondo.script.written import Written, simple


class Loops:
    """An operator that is written as loops over buffers."""

    def __init__(self, written: Written) -> None:
        self._written = written
        self._read = lru_cache(maxsize=64)(self._function)

    @property
    def inputs(self) -> int:
        """How many inputs it takes."""
        return len(self._written.tree.args.args) - self._written.outputs

    def check(self) -> None:
        """Read the function as far as that is possible without a use."""
        reader = DeclarationReader(self._written.source)
        if self.inputs < 0 or self._written.outputs < 1:
            reader.fail(
                self._written.tree, f"{self._written.outputs} of the buffers cannot be results", code="TND-S003"
            )
        usual = self._written.usual()
        if usual is not None and not self._written.types:
            function = self._read(usual)
            self._written.check(_declared(function.input_buffers), _declared(function.output_buffers))

    def infer(self, use: OpCall) -> tuple[TensorType, ...]:
        """Return the types of the results of ``use``."""
        function, sizes = self._solved(use)
        return tuple(_type(substitute(buffer, sizes)) for buffer in function.output_buffers)

    def define(self, use: OpCall) -> TensorFunction:
        """Return the tensor function of ``use``."""
        function, sizes = self._solved(use)
        body = simplify_with(substitute(function.body, sizes), simple)
        buffers = tuple(simplify_with(substitute(buffer, sizes), simple) for buffer in function.buffers)
        return replace(function, params=(*free_vars(body, buffers), *buffers), body=body)

    def _solved(self, use: OpCall) -> tuple[TensorFunction, dict[Var, Expr]]:
        function = self._read(self._written.values(use))
        return function, solved(_declared(function.input_buffers), use)

    def _function(self, values: Attrs) -> TensorFunction:
        written = self._written
        tree = written.specialized(values)
        function = ModuleReader(written.source).tensor_function(tree, written.outputs, Attrs())
        inner, local, _ = definitions(function.body)
        sizes = {name for buffer in function.buffers for name in _sizes(buffer)}
        for item in (*inner, *local):
            if item.name in sizes:
                DeclarationReader(written.source).fail(
                    written.tree, f"'{item.name}' is a size and the name of something else", code="TND-S003"
                )
        return with_blocks(function)


def _declared(buffers: tuple[Buffer, ...]) -> tuple[Declared, ...]:
    return tuple(Declared(buffer.name, _type(buffer)) for buffer in buffers)


def _type(buffer: Buffer) -> TensorType:
    return TensorType(tuple(simple(dim) for dim in buffer.shape), buffer.dtype)


def _sizes(buffer: Buffer) -> list[str]:
    return [item.name for dim in buffer.shape for item in walk(dim) if isinstance(item, Var)]
