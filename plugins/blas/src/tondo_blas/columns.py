"""im2col: the elements of a left operand that no matrix in memory holds, copied to one that does.

Before: ``left[n, c, 2 * h + p - 1, 2 * w + q - 1]``, zero outside of its buffer. After, inside the loops over ``n``::

    for c, p, q in ...:
        for h, w in ...:
            columns[(c * 3 + p) * 3 + q, h * 7 + w] = left[n, c, 2 * h + p - 1, 2 * w + q - 1], or 0.0 outside of it
"""

from __future__ import annotations

from dataclasses import dataclass

from tondo.arith import Analyzer
from tondo.ir import Buffer, Const, Expr, Node, Stmt, Store, Var, add, mul, substitute, walk
from tondo_blas.gemm import Operand, Roles
from tondo_blas.loops import nest
from tondo_blas.product import Product
from tondo_blas.steps import Axis
from tondo_schedule.facts import read_padded


@dataclass(frozen=True, slots=True)
class Columns:
    """The copy.

    Attributes:
        operand: the copied elements, ``[depth, rows]``, and the steps of the variables in them.
        fill: the loops that copy, inside the loops over ``outer``.
        outer: variables of loops around that the copied elements depend on.
    """

    operand: Operand
    fill: Stmt
    outer: frozenset[Var]


def columns_of(product: Product, roles: Roles, known: Analyzer, lanes: int, *, parallel: bool) -> Columns:
    """Return the copy of the left operand of ``product`` for the axes ``roles``."""
    dtype = product.output.dtype
    buffer = Buffer("columns", (roles.k.extent, roles.m.extent), dtype, align=64)
    steps: dict[Var, Expr] = {it.var: Const(0) for it in product.stage.block.iters}
    steps.update(_steps(roles.k, roles.m.extent))
    steps.update(_steps(roles.m, Const(1)))
    used = [*roles.k.iters, *roles.m.iters]
    place = (_linear(roles.k), _linear(roles.m))
    value = read_padded(product.source, product.offsets, product.contraction.left.indices, known)
    loops = {it.var for it in used} | {it.var for it in roles.loops}
    single = {it.var: Const(0) for it in product.stage.block.iters if it.var not in loops}
    body = substitute(Store(buffer, place, value), single)
    fill = nest([(it.var, it.extent) for it in used], body, lanes, parallel=parallel)
    outer = frozenset(it.var for it in roles.loops) & _variables(value)
    return Columns(Operand(buffer, steps), fill, outer)


def _steps(axis: Axis, step: Expr) -> dict[Var, Expr]:
    found: dict[Var, Expr] = {}
    for it in reversed(axis.iters):
        found[it.var] = step
        step = mul(step, it.extent)
    return found


def _linear(axis: Axis) -> Expr:
    place: Expr = Const(0)
    for it in axis.iters:
        place = add(mul(place, it.extent), it.var)
    return place


def _variables(node: Node) -> frozenset[Var]:
    return frozenset(item for item in walk(node) if isinstance(item, Var))
