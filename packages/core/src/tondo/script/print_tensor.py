"""Tensor functions as script text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tondo.ir import (
    EMPTY, INT64, Allocate, Assert, Block, Buffer, Evaluate, For, If, Invoke, IterVar, Let, Seq, Stmt, Store, TensorFunction, Var, View,
    While,
)
from tondo.script.print_expr import access_text, attrs_text, buffer_text, expr_text, region_text

if TYPE_CHECKING:
    from collections.abc import Sequence

INDENT = "    "


def tensor_function_lines(function: TensorFunction) -> list[str]:
    """Return the lines of ``function``."""
    options = []
    if function.outputs != 1:
        options.append(f"outputs={function.outputs}")
    if function.attrs:
        options.append(f"attrs={attrs_text(function.attrs)}")
    head = f"@tensor_function({', '.join(options)})" if options else "@tensor_function"
    params = [f"{param.name}: {_param(param)}" for param in function.params]
    one = f"def {function.name}({', '.join(params)}):"
    signature = [one] if len(one) <= 110 else [f"def {function.name}(", *(f"{INDENT}{param}," for param in params), "):"]  # noqa: PLR2004
    return [head, *signature, *_suite([function.body])]


def _param(param: Var | Buffer) -> str:
    return f'"{param.dtype}"' if isinstance(param, Var) else buffer_text(param)


def _suite(stmts: Sequence[Stmt]) -> list[str]:
    lines: list[str] = []
    for position, stmt in enumerate(stmts):
        last = position == len(stmts) - 1
        lines.extend(_lines(stmt, last=last))
    return [INDENT + line for line in lines or ["pass"]]


def _body(stmt: Stmt) -> list[str]:
    return _suite([stmt])


def _lines(stmt: Stmt, *, last: bool) -> list[str]:  # noqa: PLR0911, C901  one case per node class
    match stmt:
        case Seq() if len(stmt.stmts) == 1 or (not stmt.stmts and not last):
            return ["with seq():", *_suite(stmt.stmts)]
        case Seq():
            return [line.removeprefix(INDENT) for line in _suite(stmt.stmts)]
        case For():
            return [f"for {stmt.var.name} in {_range(stmt)}:", *_body(stmt.body)]
        case Block():
            return [f"with block({stmt.name!r}):", *[INDENT + line for line in _block_head(stmt)], *_body(stmt.body)]
        case Store():
            return [_store(stmt)]
        case If():
            lines = [f"if {expr_text(stmt.condition)}:", *_body(stmt.then)]
            return lines if stmt.orelse is None else [*lines, "else:", *_body(stmt.orelse)]
        case Let():
            typed = "" if stmt.var.dtype == stmt.value.dtype else f', dtype="{stmt.var.dtype}"'
            return _scoped(stmt.var.name, f"let({expr_text(stmt.value)}{typed})", stmt.body, last=last)
        case Allocate():
            return _scoped(stmt.buffer.name, buffer_text(stmt.buffer, "allocate"), stmt.body, last=last)
        case View():
            text = buffer_text(stmt.buffer, "view").replace("view(", f"view({stmt.base.name}, {expr_text(stmt.offset)}, ", 1)
            return _scoped(stmt.buffer.name, text, stmt.body, last=last)
        case While():
            return [f"while {expr_text(stmt.condition)}:", *_body(stmt.body)]
        case Evaluate():
            return [f"evaluate({expr_text(stmt.value)})"]
        case Invoke():
            args = [repr(stmt.callee), *(arg.name if isinstance(arg, Buffer) else expr_text(arg) for arg in stmt.args)]
            return [f"{'invoke_packed' if stmt.packed else 'invoke'}({', '.join(args)})"]
        case Assert():
            return [f"assert {expr_text(stmt.condition)}, {stmt.message!r}"]
        case _:
            raise TypeError(type(stmt))


def _scoped(name: str, made: str, body: Stmt, *, last: bool) -> list[str]:
    """Return a definition for the rest of the suite where that is all of its body, else a ``with``."""
    if last:
        return [f"{name} = {made}", *[line.removeprefix(INDENT) for line in _body(body)]]
    return [f"with {made} as {name}:", *_body(body)]


def _range(loop: For) -> str:
    head = f"bind({loop.kind.removeprefix('bind:')!r}, " if loop.kind.startswith("bind:") else f"{loop.kind}("
    parts = [expr_text(loop.begin), expr_text(loop.extent)]
    if loop.var.dtype != INT64:
        parts.append(f'dtype="{loop.var.dtype}"')
    if loop.attrs:
        parts.append(f"attrs={attrs_text(loop.attrs)}")
    return f"{head}{', '.join(parts)})"


def _block_head(block: Block) -> list[str]:
    lines = [_iter(it) for it in block.iters]
    lines.append(f"reads({', '.join(region_text(region) for region in block.reads)})")
    lines.append(f"writes({', '.join(region_text(region) for region in block.writes)})")
    if block.predicate is not None:
        lines.append(f"where({expr_text(block.predicate)})")
    if block.attrs != EMPTY:
        lines.append(f"attributes({attrs_text(block.attrs)})")
    if block.init is not None:
        lines.extend(["with init():", *_body(block.init)])
    return lines


def _iter(it: IterVar) -> str:
    typed = "" if it.var.dtype == INT64 else f', dtype="{it.var.dtype}"'
    return f"{it.var.name} = {it.kind}({expr_text(it.extent)}, {expr_text(it.binding)}{typed})"


def _store(stmt: Store) -> str:
    access = access_text(stmt.buffer, stmt.indices)
    if stmt.predicate is None:
        return f"{access} = {expr_text(stmt.value)}"
    return f"store({access}, {expr_text(stmt.value)}, where={expr_text(stmt.predicate)})"
