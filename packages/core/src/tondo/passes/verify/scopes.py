"""Names of tensor functions: declared once, before they are used, and visible where they are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tondo.diagnostics.span import Span
from tondo.ir import (
    Allocate,
    Assert,
    Block,
    Buffer,
    Evaluate,
    Expr,
    For,
    If,
    Invoke,
    IRModule,
    Let,
    Load,
    Region,
    Reserve,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    Var,
    View,
    While,
)
from tondo.passes.verify.findings import Finding


@dataclass(frozen=True, slots=True)
class _Scope:
    """The variables and buffers that are visible; ``hidden`` ones stand around a block and not for its body."""

    variables: Mapping[str, Var]
    buffers: Mapping[str, Buffer]
    hidden: frozenset[str] = frozenset()

    def with_var(self, var: Var) -> _Scope:
        return _Scope({**self.variables, var.name: var}, self.buffers, self.hidden - {var.name})

    def with_buffer(self, buffer: Buffer) -> _Scope:
        return _Scope(self.variables, {**self.buffers, buffer.name: buffer}, self.hidden)


@dataclass(slots=True)
class _Walker:
    function: TensorFunction
    blocks: set[str] = field(default_factory=set[str])

    def stmt(self, stmt: Stmt, scope: _Scope) -> Iterator[Finding]:
        match stmt:
            case For():
                yield from self.exprs((stmt.begin, stmt.extent), scope, stmt.span)
                yield from self.fresh_var(stmt.var, scope, stmt.span)
                yield from self.stmt(stmt.body, scope.with_var(stmt.var))
            case Let():
                yield from self.exprs((stmt.value,), scope, stmt.span)
                yield from self.fresh_var(stmt.var, scope, stmt.span)
                yield from self.stmt(stmt.body, scope.with_var(stmt.var))
            case Block():
                yield from self.block(stmt, scope)
            case Allocate():
                yield from self.fresh_buffer(stmt.buffer, scope, stmt.span)
                yield from self.stmt(stmt.body, scope.with_buffer(stmt.buffer))
            case Reserve():
                yield from self.exprs((stmt.slot,), scope, stmt.span)
                yield from self.fresh_buffer(stmt.buffer, scope, stmt.span)
                yield from self.stmt(stmt.body, scope.with_buffer(stmt.buffer))
            case View():
                yield from self.buffer(stmt.base, scope, stmt.span)
                yield from self.exprs((stmt.offset,), scope, stmt.span)
                yield from self.fresh_buffer(stmt.buffer, scope, stmt.span)
                yield from self.stmt(stmt.body, scope.with_buffer(stmt.buffer))
            case Seq():
                for item in stmt.stmts:
                    yield from self.stmt(item, scope)
            case If():
                yield from self.exprs((stmt.condition,), scope, stmt.span)
                for part in (stmt.then, stmt.orelse):
                    if part is not None:
                        yield from self.stmt(part, scope)
            case While():
                yield from self.exprs((stmt.condition,), scope, stmt.span)
                yield from self.stmt(stmt.body, scope)
            case _:
                yield from self.leaf(stmt, scope)

    def leaf(self, stmt: Stmt, scope: _Scope) -> Iterator[Finding]:
        match stmt:
            case Store():
                yield from self.buffer(stmt.buffer, scope, stmt.span)
                yield from self.exprs((*stmt.indices, stmt.value, stmt.predicate), scope, stmt.span)
            case Evaluate():
                yield from self.exprs((stmt.value,), scope, stmt.span)
            case Assert():
                yield from self.exprs((stmt.condition,), scope, stmt.span)
            case Invoke():
                for arg in stmt.args:
                    if isinstance(arg, Buffer):
                        yield from self.buffer(arg, scope, stmt.span)
                    else:
                        yield from self.exprs((arg,), scope, stmt.span)
            case _:
                yield Finding(f"unknown statement {type(stmt).__name__}")

    def block(self, block: Block, scope: _Scope) -> Iterator[Finding]:
        if block.name in self.blocks:
            yield Finding(f"two blocks are called '{block.name}'", block.span)
        self.blocks.add(block.name)
        yield from self.exprs(
            (*(it.binding for it in block.iters), *(it.extent for it in block.iters), block.predicate),
            scope,
            block.span,
        )
        params = {var.name: var for var in self.function.scalars}
        inner = _Scope(params, scope.buffers, frozenset(scope.variables) - frozenset(params))
        for it in block.iters:
            yield from self.fresh_var(it.var, scope, block.span)
            if it.var.dtype != it.binding.dtype or it.var.dtype != it.extent.dtype:
                yield Finding(f"block '{block.name}': '{it.var.name}' and its binding differ in dtype", block.span)
            inner = inner.with_var(it.var)
        for region in (*block.reads, *block.writes):
            yield from self.region(block, region, inner)
        for part in (block.init, block.body):
            if part is not None:
                yield from self.stmt(part, inner)

    def region(self, block: Block, region: Region, scope: _Scope) -> Iterator[Finding]:
        yield from self.buffer(region.buffer, scope, block.span)
        if len(region.ranges) != region.buffer.rank:
            yield Finding(f"block '{block.name}': a region of '{region.buffer.name}' has the wrong rank", block.span)
        for part in region.ranges:
            yield from self.exprs((part.begin, part.extent), scope, block.span)

    def exprs(self, exprs: tuple[Expr | None, ...], scope: _Scope, span: Span | None) -> Iterator[Finding]:
        for expr in exprs:
            if expr is not None:
                yield from self.expr(expr, scope, span)

    def expr(self, expr: Expr, scope: _Scope, span: Span | None) -> Iterator[Finding]:
        if isinstance(expr, Var):
            yield from self.variable(expr, scope, span)
            return
        if isinstance(expr, Load):
            yield from self.buffer(expr.buffer, scope, span)
        for child in expr.children():
            if isinstance(child, Expr):
                yield from self.expr(child, scope, span)

    def variable(self, var: Var, scope: _Scope, span: Span | None) -> Iterator[Finding]:
        known = scope.variables.get(var.name)
        if known is None:
            hidden = var.name in scope.hidden
            why = "stands around the block, whose body does not see it" if hidden else "has no value here"
            yield Finding(f"the variable '{var.name}' {why}", span)
        elif known.dtype != var.dtype:
            yield Finding(f"the variable '{var.name}' is {known.dtype}, it is used as {var.dtype}", span)

    def buffer(self, buffer: Buffer, scope: _Scope, span: Span | None) -> Iterator[Finding]:
        known = scope.buffers.get(buffer.name)
        if known is None:
            yield Finding(f"the buffer '{buffer.name}' is not declared here", span)
        elif known != buffer:
            yield Finding(f"the buffer '{buffer.name}' is used with another shape, dtype or scope than declared", span)

    def fresh_var(self, var: Var, scope: _Scope, span: Span | None) -> Iterator[Finding]:
        if var.name in scope.variables or var.name in scope.hidden:
            yield Finding(f"the variable '{var.name}' hides another one of its name", span)

    def fresh_buffer(self, buffer: Buffer, scope: _Scope, span: Span | None) -> Iterator[Finding]:
        if buffer.name in scope.buffers:
            yield Finding(f"the buffer '{buffer.name}' hides another one of its name", span)
        yield from self.exprs(buffer.shape, scope, span)


def check_scopes(module: IRModule, function: TensorFunction) -> Iterator[Finding]:
    """Every name is declared once per place, before use; block bodies see iteration variables and dimensions only."""
    del module
    variables = {var.name: var for var in function.scalars}
    buffers = {buffer.name: buffer for buffer in function.buffers}
    scope = _Scope(variables, buffers)
    walker = _Walker(function)
    for buffer in function.buffers:
        yield from walker.exprs(buffer.shape, scope, function.span)
    yield from walker.stmt(function.body, scope)
