"""Tensor functions as script text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tondo.ir import (
    EMPTY,
    INT64,
    Allocate,
    Assert,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Invoke,
    IterVar,
    Let,
    Reserve,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Var,
    View,
    While,
)
from tondo.script.print_expr import access_text, attrs_text, buffer_arguments, buffer_text, expr_text, region_text

if TYPE_CHECKING:
    from collections.abc import Sequence

INDENT: Final = "    "
LINE: Final = 110
"""A signature longer than this is printed with one parameter per line."""


def signature(name: str, params: Sequence[str]) -> list[str]:
    """Return the ``def`` line of a function, or several lines if it is long."""
    one = f"def {name}({', '.join(params)}):"
    return [one] if len(one) <= LINE else [f"def {name}(", *[f"{INDENT}{param}," for param in params], "):"]


def tensor_function_lines(function: TensorFunction) -> list[str]:
    """Return the lines of ``function``."""
    options: list[str] = []
    if function.outputs != 1:
        options.append(f"outputs={function.outputs}")
    if function.attrs:
        options.append(f"attrs={attrs_text(function.attrs)}")
    head = f"@tensor_function({', '.join(options)})" if options else "@tensor_function"
    params = [f"{param.name}: {_param(param)}" for param in function.params]
    return [head, *signature(function.name, params), *_body(function.body)]


def _param(param: Var | Buffer) -> str:
    return f'"{param.dtype}"' if isinstance(param, Var) else buffer_text(param)


def _body(stmt: Stmt) -> list[str]:
    """Return ``stmt`` as the only content of a suite."""
    return [INDENT + line for line in _suite(stmt)]


def _suite(stmt: Stmt) -> list[str]:
    """Return the lines of a suite; a definition whose body is all of the rest needs no suite of its own."""
    lines: list[str] = []
    while True:
        match stmt:
            case Let() | Allocate() | View() | Reserve():
                name, made = _definition(stmt)
                lines.append(f"{name} = {made}")
                stmt = stmt.body
            case Seq(stmts=(_, *middle, last)) if len(stmt.stmts) > 1:
                for part in (stmt.stmts[0], *middle):
                    lines.extend(_lines(part))
                stmt = last
            case Seq(stmts=()):
                return [*lines, "pass"]
            case _:
                return [*lines, *_lines(stmt)]


def _lines(stmt: Stmt) -> list[str]:
    """Return the lines of a statement that others may follow."""
    match stmt:
        case Seq():
            return ["with seq():", *[line for part in stmt.stmts for line in _body(part)]]
        case For():
            return [f"for {stmt.var.name} in {_range(stmt)}:", *_body(stmt.body)]
        case Block():
            return [f"with block({stmt.name!r}):", *[INDENT + line for line in _block_head(stmt)], *_body(stmt.body)]
        case Store():
            return [_store(stmt)]
        case If():
            lines = [f"if {expr_text(stmt.condition)}:", *_body(stmt.then)]
            return lines if stmt.orelse is None else [*lines, "else:", *_body(stmt.orelse)]
        case Let() | Allocate() | View() | Reserve():
            return _scoped(stmt)
        case While():
            return [f"while {expr_text(stmt.condition)}:", *_body(stmt.body)]
        case Evaluate():
            return [f"evaluate({expr_text(stmt.value)})"]
        case Invoke():
            args = [repr(stmt.callee), *(arg.name if isinstance(arg, Buffer) else expr_text(arg) for arg in stmt.args)]
            if stmt.attrs:
                args.append(f"attrs={attrs_text(stmt.attrs)}")
            return [f"{'invoke_packed' if stmt.packed else 'invoke'}({', '.join(args)})"]
        case Assert():
            return [f"assert {expr_text(stmt.condition)}, {stmt.message!r}"]
        case _:
            raise TypeError(type(stmt))


def _definition(stmt: Let | Allocate | View | Reserve) -> tuple[str, str]:
    """Return the name that ``stmt`` defines and the call that says what it is."""
    match stmt:
        case Let():
            typed = "" if stmt.var.dtype == stmt.value.dtype else f', dtype="{stmt.var.dtype}"'
            return stmt.var.name, f"let({expr_text(stmt.value)}{typed})"
        case Allocate():
            return stmt.buffer.name, f"allocate({buffer_arguments(stmt.buffer)})"
        case Reserve():
            return stmt.buffer.name, f"reserve({expr_text(stmt.slot)}, {buffer_arguments(stmt.buffer)})"
        case View():
            place = f"{stmt.base.name}, {expr_text(stmt.offset)}"
            return stmt.buffer.name, f"view({place}, {buffer_arguments(stmt.buffer)})"


def _scoped(stmt: Let | Allocate | View | Reserve) -> list[str]:
    """Return definitions that end before the suite does, those directly inside one another as one ``with``."""
    items: list[str] = []
    body: Stmt = stmt
    while isinstance(body, (Let, Allocate, View, Reserve)):
        name, made = _definition(body)
        items.append(f"{made} as {name}")
        body = body.body
    if len(items) == 1:
        return [f"with {items[0]}:", *_body(body)]
    return ["with (", *[f"{INDENT}{item}," for item in items], "):", *_body(body)]


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
