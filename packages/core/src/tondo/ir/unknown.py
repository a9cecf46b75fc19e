"""Dimensions that are introduced where a shape becomes known.

A variable is at least 1 wherever expressions are simplified, unless its bounds say otherwise. A size that may be 0 is
written as a variable less one: ``d - 1``. What introduces variables by the sizes of a shape accepts both forms.
"""

from __future__ import annotations

from tondo.ir.expr import Binary, Const, Expr, Var


def unknown_of(dim: Expr) -> tuple[Var, int] | None:
    """Return variable and constant of ``variable + constant``; None for a dimension of another form."""
    match dim:
        case Var():
            return dim, 0
        case Binary(op="add", a=Var() as var, b=Const(value=int() as offset)):
            return var, offset
        case Binary(op="add", a=Const(value=int() as offset), b=Var() as var):
            return var, offset
        case Binary(op="sub", a=Var() as var, b=Const(value=int() as offset)):
            return var, -offset
        case _:
            return None
