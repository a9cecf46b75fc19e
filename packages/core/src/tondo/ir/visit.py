"""Substitution, renaming and digests over whole functions."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar, cast

from tondo.ir.attrs import Attrs
from tondo.ir.buffer import Buffer, Region
from tondo.ir.dtype import DType
from tondo.ir.expr import Const, Expr, Var
from tondo.ir.function import TensorFunction
from tondo.ir.node import Node, rebuild, rewrite
from tondo.ir.stmt import Allocate, Block, For, IterVar, Let, Reserve, Stmt, View

N = TypeVar("N", bound=Node)


def substitute(root: N, values: Mapping[Var, Expr] | None = None, buffers: Mapping[Buffer, Buffer] | None = None) -> N:
    """Return ``root`` with free variables and buffers replaced.

    Nothing is captured as long as names are unique within a function. A variable that a loop, a block or a let
    binds must only be replaced by another variable. Dimensions inside buffers are replaced as well.
    """
    vars_map = values or {}
    buffers_map = buffers or {}

    done: dict[int, Node] = {}

    def visit(value: Node) -> Node:
        result = done.get(id(value))
        if result is None:
            result = _replace(value, vars_map, buffers_map, visit)
            done[id(value)] = result
        return result

    return cast("N", visit(root))


def _replace(
    value: Node, vars_map: Mapping[Var, Expr], buffers_map: Mapping[Buffer, Buffer], visit: Callable[[Node], Node]
) -> Node:
    if isinstance(value, Var):
        return vars_map.get(value, value)
    if isinstance(value, Buffer) and value in buffers_map:
        return buffers_map[value]
    return rebuild(value, visit)


def simplify_with(root: N, change: Callable[[Expr], Expr]) -> N:
    """Return ``root`` with ``change`` applied to every expression, inner ones first."""
    return cast("N", rewrite(root, lambda value: change(value) if isinstance(value, Expr) else value))


def definitions(root: Node) -> tuple[list[Var], list[Buffer], list[str]]:
    """Return the variables, the buffers and the block names that statements below ``root`` introduce, in order."""
    variables: list[Var] = []
    buffers: list[Buffer] = []
    blocks: list[str] = []
    pending = [root]
    while pending:
        item = pending.pop()
        pending.extend(child for child in item.children()[::-1] if not isinstance(child, (Expr, Region)))
        if isinstance(item, (For, IterVar, Let)):
            variables.append(item.var)
        elif isinstance(item, (Allocate, Reserve, View)):
            buffers.append(item.buffer)
        elif isinstance(item, Block):
            blocks.append(item.name)
    return variables, buffers, blocks


def rename(function: TensorFunction, fresh: Callable[[str], str], *, name: str | None = None) -> TensorFunction:
    """Return ``function`` with every name it introduces (loops, blocks, buffers, parameters except scalars) renamed.

    ``fresh`` maps an old name to a new one and is called once per name. Scalar parameters keep their names: they
    are dimensions that mean the same everywhere.
    """
    variables, local, blocks = definitions(function.body)
    vars_map: dict[Var, Expr] = {}
    for var in dict.fromkeys(variables):
        vars_map[var] = Var(fresh(var.name), var.dtype)
    buffers = {buffer: _named(buffer, fresh(buffer.name)) for buffer in dict.fromkeys((*function.buffers, *local))}
    block_names = {block: fresh(block) for block in dict.fromkeys(blocks)}
    body = substitute(function.body, vars_map, buffers)
    named = rewrite(body, lambda item: replace(item, name=block_names[item.name]) if isinstance(item, Block) else item)
    assert isinstance(named, Stmt)
    params = tuple(buffers[param] if isinstance(param, Buffer) else param for param in function.params)
    return TensorFunction(name or function.name, params, named, function.outputs, function.attrs, function.span)


def _named(buffer: Buffer, name: str) -> Buffer:
    return Buffer(name, buffer.shape, buffer.dtype, buffer.scope, buffer.strides, buffer.align)


def digest(function: TensorFunction) -> str:
    """Return a SHA-256 of the function's structure that does not depend on any name in it.

    Equal digests mean the same computation up to names, so compiled code can be shared. Stable across processes.
    """
    writer = _Digest()
    writer.put(function)
    return writer.state.hexdigest()


class _Digest:
    """Feeds a structure to a hash, with names replaced by their order of appearance."""

    def __init__(self) -> None:
        self.state = hashlib.sha256()
        self._names: dict[tuple[str, str], int] = {}

    def put(self, value: object) -> None:
        self.state.update(b"(")
        match value:
            case Node():
                self._node(value)
            case tuple():
                for item in cast("tuple[object, ...]", value):
                    self.put(item)
            case Attrs():
                for name in sorted(value):
                    self._text(name)
                    self.put(value[name])
            case DType():
                self._text(str(value))
            case _:
                self._text(f"{type(value).__name__}{value!r}")
        self.state.update(b")")

    def _node(self, value: Node) -> None:
        match value:
            case Var():
                self._text(f"v{self._number('v', value.name)}:{value.dtype}")
            case Const():
                number = value.value
                self._text(f"c{struct.pack('<d', number).hex() if isinstance(number, float) else number}:{value.dtype}")
            case Buffer():
                seen = ("b", value.name) in self._names
                self._text(f"b{self._number('b', value.name)}")
                if not seen:
                    self.put((value.shape, value.dtype, value.scope, value.strides, value.align))
            case Block():
                self._text(f"B{self._number('B', value.name)}")
                self.put((value.iters, value.reads, value.writes, value.body, value.init, value.predicate, value.attrs))
            case TensorFunction():
                self.put((value.params, value.body, value.outputs, value.attrs))
            case _:
                self._text(type(value).__name__)
                for item in value.key():
                    self.put(item)

    def _number(self, kind: str, name: str) -> int:
        return self._names.setdefault((kind, name), len(self._names))

    def _text(self, text: str) -> None:
        self.state.update(text.encode())
