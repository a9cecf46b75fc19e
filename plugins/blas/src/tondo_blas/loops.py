"""Loops whose innermost one runs in vectors."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import Const, Expr, For, Stmt, Var, add, floordiv, mul, seq, substitute


def nest(loops: Sequence[tuple[Var, Expr]], body: Stmt, lanes: int, *, parallel: bool = False) -> Stmt:
    """Return ``body`` in ``loops``, outermost first; the innermost one in vectors of ``lanes``, and what remains.

    Args:
        loops: variables and extents.
        body: a store.
        lanes: elements of a vector; 1 for none.
        parallel: whether threads share the outermost loop.
    """
    if not loops:
        return body
    *outer, (var, extent) = loops
    stmt = For(var, Const(0), extent, body, "serial") if lanes == 1 else _vectors(var, extent, body, lanes)
    for other, size in reversed(outer):
        stmt = For(other, Const(0), size, stmt, "serial")
    if parallel and outer and isinstance(stmt, For):
        return For(stmt.var, stmt.begin, stmt.extent, stmt.body, "parallel", stmt.attrs)
    return stmt


def _vectors(var: Var, extent: Expr, body: Stmt, lanes: int) -> Stmt:
    full = floordiv(extent, lanes)
    chunk, lane = Var(f"{var.name}_c"), Var(f"{var.name}_v")
    vector = For(lane, Const(0), Const(lanes), substitute(body, {var: add(mul(chunk, lanes), lane)}), "vectorized")
    parts: list[Stmt] = []
    if full != Const(0):
        parts.append(For(chunk, Const(0), full, vector, "serial"))
    done = mul(full, lanes)
    rest = extent - done
    if not isinstance(extent, Const) or int(extent.value) % lanes:
        parts.append(For(var, done, rest, body, "serial"))
    return seq(*parts)
