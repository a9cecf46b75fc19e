"""How far an access moves in memory when a variable grows by one."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.arith import Analyzer
from tondo.ir import Buffer, Const, Expr, Var, add, mul, walk


def position(buffer: Buffer, indices: Sequence[Expr]) -> Expr:
    """Return the linear index of an element."""
    total: Expr = Const(0)
    for index, stride in zip(indices, buffer.row_major_strides(), strict=True):
        total = add(total, mul(index, stride))
    return total


def stride_of(buffer: Buffer, indices: Sequence[Expr], var: Var, analyzer: Analyzer) -> Expr | None:
    """Return the stride of ``var`` in elements (0 if it does not occur); None if the access is not linear in it."""
    form = analyzer.affine(position(buffer, indices))
    if form is None:
        return None
    slope, rest = form.split(var)
    for atom, _ in (*slope.terms, *rest.terms):
        if any(item == var for item in walk(atom)):
            return None
    return slope.to_expr()


def is_unit(stride: Expr | None) -> bool:
    """Whether a stride is known to be one."""
    return stride == Const(1)
