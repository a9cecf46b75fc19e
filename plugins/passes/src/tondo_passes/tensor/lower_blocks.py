"""``tensor.lower_blocks``: blocks become plain statements of the loops around them.

Before::

    for i, k:  Block C(vi = i, vk = k reduction): init C[vi] = 0; C[vi] = C[vi] + A[vi, vk]

After::

    for i, k:
        if k == 0: C[i] = 0
        C[i] = C[i] + A[i, k]

Iteration variables are replaced by their bindings, a predicate becomes an ``If``, an ``init`` that no schedule has
decomposed becomes an ``If`` over the first step of the reduction variables. The declared instructions that blocks are
(their attribute ``intrinsic``) stand with their number in the attribute ``intrinsics`` of the function from now on.
Refuses nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

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
from tondo_schedule.tree import INTRINSIC

if TYPE_CHECKING:
    from tondo.ir import Node


@dataclass(frozen=True)
class LowerBlocks(TensorPass):
    """Replace every block by its body."""

    name: ClassVar[str] = "tensor.lower_blocks"

    def apply(self, function: TensorFunction) -> TensorFunction:
        """Return ``function`` without blocks."""
        body = _lower(function.body)
        used = _intrinsics(function.body)
        attrs = function.attrs.with_(intrinsics=Attrs(used)) if used else function.attrs
        return TensorFunction(function.name, function.params, body, function.outputs, attrs, function.span)


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
