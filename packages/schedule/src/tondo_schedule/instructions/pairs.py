"""Alignments of two expressions: which loads of one stand where loads of the other do.

``c[i] + a[i] * b[i]`` and ``Y[j] * X[j] + Z[j]`` align as c-Z, a-Y, b-X and as c-Z, a-X, b-Y: sums and products are
aligned in either order. Everything but the loads has to be equal.
"""

from __future__ import annotations

from collections.abc import Iterator

from tondo.ir import Binary, Cast, Compare, Const, Expr, Intrin, Load, Select, Unary, Var

_COMMUTATIVE = frozenset({"add", "mul"})
Pairs = tuple[tuple[Load, Load], ...]


def alignments(wanted: Expr, given: Expr) -> Iterator[Pairs]:
    """Yield the alignments of ``given`` with ``wanted``, as pairs of loads (wanted, given)."""
    if wanted.dtype != given.dtype:
        return
    match wanted, given:
        case Load(), Load():
            yield ((wanted, given),)
        case (Const(), Const()) | (Var(), Var()):
            if wanted == given:
                yield ()
        case Binary(), Binary() if wanted.op == given.op:
            yield from _both((wanted.a, wanted.b), (given.a, given.b))
            if wanted.op in _COMMUTATIVE:
                yield from _both((wanted.a, wanted.b), (given.b, given.a))
        case Cast(), Cast():
            yield from alignments(wanted.a, given.a)
        case (Unary(), Unary()) | (Compare(), Compare()) if wanted.op == given.op:
            yield from _both(_operands(wanted), _operands(given))
        case Select(), Select():
            yield from _both(_operands(wanted), _operands(given))
        case Intrin(), Intrin() if wanted.name == given.name and len(wanted.args) == len(given.args):
            yield from _both(wanted.args, given.args)
        case _:
            return


def _operands(expr: Expr) -> tuple[Expr, ...]:
    return tuple(child for child in expr.children() if isinstance(child, Expr))


def _both(wanted: tuple[Expr, ...], given: tuple[Expr, ...]) -> Iterator[Pairs]:
    if not wanted:
        yield ()
        return
    for first in alignments(wanted[0], given[0]):
        for rest in _both(wanted[1:], given[1:]):
            yield (*first, *rest)
