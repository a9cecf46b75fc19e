"""``tensor.lower_blocks``: blocks become plain statements of the loops around them.

Before::

    for i, k:  Block C(vi = i, vk = k reduction): init C[vi] = 0; C[vi] = C[vi] + A[vi, vk]

After::

    for i, k:
        if k == 0: C[i] = 0
        C[i] = C[i] + A[i, k]

Iteration variables are replaced by their bindings, a predicate becomes an ``If``, an ``init`` that no schedule has
decomposed becomes an ``If`` over the first step of the reduction variables, or stands before the loops where there may
be no step at all. The declared instructions that blocks are
(their attribute ``intrinsic``) stand with their number in the attribute ``intrinsics`` of the function from now on.
Refuses nothing.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tondo.arith import Analyzer, size_analyzer
from tondo.diagnostics import TondoError
from tondo.ir import (
    Attrs,
    Block,
    Const,
    Expr,
    Stmt,
    TensorFunction,
    Var,
    all_of,
    compare,
    rebuild,
    seq,
    substitute,
    walk,
)
from tondo.ir import If as IfStmt
from tondo_passes.tensor.each import TensorPass
from tondo_schedule.primitives.decompose_reduction import apply as decompose_reduction
from tondo_schedule.tree import INTRINSIC, block_place, uses

if TYPE_CHECKING:
    from tondo.ir import Node


@dataclass(frozen=True)
class LowerBlocks(TensorPass):
    """Replace every block by its body."""

    name: ClassVar[str] = "tensor.lower_blocks"

    def apply(self, function: TensorFunction) -> TensorFunction:
        """Return ``function`` without blocks."""
        body = _lower(_started(function).body)
        used = _intrinsics(function.body)
        attrs = function.attrs.with_(intrinsics=Attrs(used)) if used else function.attrs
        return TensorFunction(function.name, function.params, body, function.outputs, attrs, function.span)


def _started(function: TensorFunction) -> TensorFunction:
    """Return ``function`` with the inits of reductions over what may be nothing before their loops."""
    known = size_analyzer(function)
    for block in [item for item in walk(function.body) if isinstance(item, Block)]:
        reduced = [it for it in block.iters if it.kind == "reduction"]
        if block.init is None or all(_is_positive(it.extent, known) for it in reduced):
            continue
        loops = block_place(function, block.name, "lower_blocks").loops
        outer = next((loop for loop in loops if any(uses(it.binding, loop.var) for it in reduced)), None)
        if outer is not None:
            with contextlib.suppress(TondoError):  # tiles that overlap inside are never of nothing
                function, _ = decompose_reduction(function, block.name, outer.var)
    return function


def _is_positive(extent: Expr, known: Analyzer) -> bool:
    """Whether ``extent`` is at least 1 for all sizes that dimensions may have."""
    if isinstance(extent, Const):
        return int(extent.value) > 0
    low = known.bounds(extent).low
    return low is not None and low >= 1


def _intrinsics(body: Stmt) -> dict[str, int]:
    blocks = [item for item in walk(body) if isinstance(item, Block)]
    return dict(sorted(Counter(str(item.attrs[INTRINSIC]) for item in blocks if INTRINSIC in item.attrs).items()))


def _lower(stmt: Stmt) -> Stmt:
    def visit(value: Node) -> Node:
        if isinstance(value, Block):
            return _plain(value)
        if isinstance(value, Stmt):
            return rebuild(value, visit)
        return value

    result = visit(stmt)
    assert isinstance(result, Stmt)
    return result


def _plain(block: Block) -> Stmt:
    bindings: dict[Var, Expr] = {it.var: it.binding for it in block.iters}
    body = substitute(_lower(block.body), bindings)
    if block.init is not None:
        init = substitute(_lower(block.init), bindings)
        first = all_of([compare("eq", it.binding, Const(0)) for it in block.iters if it.kind == "reduction"])
        body = seq(init if first is None else IfStmt(first, init), body)
    return body if block.predicate is None else IfStmt(block.predicate, body)
