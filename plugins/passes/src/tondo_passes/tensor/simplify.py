"""``tensor.simplify``: indices, bounds and conditions in their smallest form.

Removes conditions that the loop bounds prove, loops of one iteration, empty loops and branches. Floating-point
values are not touched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from tondo.ir import (
    Allocate,
    Assert,
    Block,
    Buffer,
    Const,
    Evaluate,
    Expr,
    For,
    If,
    Invoke,
    Let,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    View,
    While,
    seq,
    substitute,
)
from tondo_passes.tensor.each import TensorPass
from tondo_passes.tensor.ranges import LoopRanges


@dataclass(frozen=True)
class Simplify(TensorPass):
    """Simplify with the ranges of the loops around."""

    name: ClassVar[str] = "tensor.simplify"

    def apply(self, function: TensorFunction) -> TensorFunction:
        """Return ``function`` simplified."""
        body = _stmt(function.body, LoopRanges.of(function))
        return replace(function, body=body if body is not None else Seq(()))


def _stmt(stmt: Stmt, ranges: LoopRanges) -> Stmt | None:
    """Return ``stmt`` simplified, None if nothing of it remains."""
    simplify = ranges.analyzer.simplify
    match stmt:
        case For():
            return _for(stmt, ranges)
        case Seq():
            items = [done for item in stmt.stmts if (done := _stmt(item, ranges)) is not None]
            return seq(*items) if items else None
        case If():
            return _if(stmt, ranges)
        case Store():
            indices = tuple(simplify(index) for index in stmt.indices)
            predicate = None if stmt.predicate is None else simplify(stmt.predicate)
            if isinstance(predicate, Const):
                if not predicate.value:
                    return None
                predicate = None
            return replace(stmt, indices=indices, value=simplify(stmt.value), predicate=predicate)
        case Let():
            value = simplify(stmt.value)
            if isinstance(value, Const):
                return _stmt(substitute(stmt.body, {stmt.var: value}), ranges)
            return _within(stmt, value, ranges)
        case Allocate() | View() | While() | Block():
            body = _stmt(stmt.body, ranges)
            return None if body is None else replace(stmt, body=body)
        case Invoke():
            args = tuple(arg if isinstance(arg, Buffer) else simplify(arg) for arg in stmt.args)
            return replace(stmt, args=args)
        case Assert():
            condition = simplify(stmt.condition)
            return None if isinstance(condition, Const) and condition.value else replace(stmt, condition=condition)
        case Evaluate():
            return replace(stmt, value=simplify(stmt.value))
        case _:
            return stmt


def _within(stmt: Let, value: Expr, ranges: LoopRanges) -> Stmt | None:
    body = _stmt(stmt.body, ranges)
    return None if body is None else replace(stmt, value=value, body=body)


def _for(stmt: For, ranges: LoopRanges) -> Stmt | None:
    begin, extent = ranges.analyzer.simplify(stmt.begin), ranges.analyzer.simplify(stmt.extent)
    if isinstance(extent, Const) and extent.value <= 0:
        return None
    if isinstance(extent, Const) and extent.value == 1:
        return _stmt(substitute(stmt.body, {stmt.var: begin}), ranges)
    loop = replace(stmt, begin=begin, extent=extent)
    body = _stmt(stmt.body, ranges.enter(loop))
    return None if body is None else replace(loop, body=body)


def _if(stmt: If, ranges: LoopRanges) -> Stmt | None:
    condition = ranges.analyzer.simplify(stmt.condition)
    if isinstance(condition, Const):
        chosen = stmt.then if condition.value else stmt.orelse
        return None if chosen is None else _stmt(chosen, ranges)
    then = _stmt(stmt.then, LoopRanges(ranges.analyzer.assume(condition)))
    orelse = None if stmt.orelse is None else _stmt(stmt.orelse, ranges)
    if then is None:
        return None if orelse is None else If(~condition, orelse, None, stmt.span)
    return If(condition, then, orelse, stmt.span)
