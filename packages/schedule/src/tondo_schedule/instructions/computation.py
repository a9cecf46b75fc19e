"""A perfect nest around one store, as a function of its loops: what the matching of instructions compares.

Before::

    for i in range(4):
        for k in range(8):
            block C(vi = o * 4 + i, vk = k): C[vi] = C[vi] + A[vi, vk]

Computation: loops ``{i: 4, k: 8}``, store ``C[o * 4 + i] = C[o * 4 + i] + A[o * 4 + i, k]``. Loops of one iteration
disappear. Refused (as a reason, not an error): more than one block, an extent that is not constant, an init, a
predicate, a body that is not a store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from tondo.arith import Analyzer
from tondo.ir import Block, Const, Expr, For, Stmt, Store, TensorFunction, Var, simplify_with, substitute


@dataclass(frozen=True, slots=True)
class Computation:
    """A store for every value of ``loops`` (extents by variable, outermost first)."""

    loops: Mapping[Var, int]
    store: Store
    block: str


def computation_of(stmt: Stmt, known: Analyzer | None = None) -> Computation | str:
    """Return what the nest ``stmt`` computes, or why it is not of this form.

    Args:
        stmt: loops around one block.
        known: what is known about the variables outside of it.
    """
    known = known or Analyzer()
    loops: dict[Var, int] = {}
    values: dict[Var, Expr] = {}
    while isinstance(stmt, For):
        extent = known.simplify(stmt.extent)
        if not isinstance(extent, Const) or stmt.begin != Const(0, stmt.begin.dtype):
            return f"the bounds of loop '{stmt.var.name}' are not constant"
        known = known.with_range(stmt.var, stmt.begin, extent)
        if extent.value == 1:
            values[stmt.var] = Const(0, stmt.var.dtype)
        else:
            loops[stmt.var] = int(extent.value)
        stmt = stmt.body
    if not isinstance(stmt, Block):
        return "its loops hold more than one block"
    problem = _problem(stmt)
    if problem is not None:
        return f"block '{stmt.name}' {problem}"
    bindings: dict[Var, Expr] = {it.var: substitute(it.binding, values) for it in stmt.iters}
    store = substitute(stmt.body, bindings)
    store = simplify_with(store, lambda expr: known.simplify(expr) if _is_index(expr) else expr)
    assert isinstance(store, Store)
    return Computation(loops, store, stmt.name)


@lru_cache(maxsize=512)
def semantics_of(function: TensorFunction) -> Computation | str:
    """Return what the semantic function of an instruction computes, or why it cannot be matched."""
    return computation_of(function.body)


def _problem(block: Block) -> str | None:
    if block.init is not None:
        return "starts its reduction itself; decompose_reduction makes the start a block of its own"
    if block.predicate is not None:
        return "runs under a condition; pad its axes to whole tiles first"
    if not isinstance(block.body, Store) or block.body.predicate is not None:
        return "is not a single unconditional store"
    return None


def _is_index(expr: Expr) -> bool:
    return expr.dtype.is_integer and expr.dtype.bits == 64 and expr.dtype.lanes == 1
