"""A vector store as a loop over its lanes, so that it can run as an axis of the loops around it.

Before::

    B[ramp(i * 16, 1, 16)] = A[ramp(i * 16, 1, 16)] * broadcast(s, 16)

After::

    for lane in serial(0, 16):
        B[i * 16 + lane] = A[i * 16 + lane] * s

The two mean the same as long as the lanes touch different elements, which the plan of the nest has to prove. Refused:
reductions of lanes, vector variables, and masked stores of values whose loads are not masked (there the vector form
loads every lane).
"""

from __future__ import annotations

from tondo.ir import (
    INTRINSICS,
    Binary,
    Broadcast,
    Cast,
    Compare,
    Const,
    Expr,
    For,
    Intrin,
    Load,
    Ramp,
    Select,
    Store,
    Unary,
    Var,
    add,
    cast,
    mul,
    walk,
)


class _RefusedError(Exception):
    pass


def lane_loop(store: Store) -> For | None:
    """Return the loop over the lanes of a vector store; None if it is no vector store or is refused."""
    lanes = max((index.dtype.lanes for index in store.indices), default=1)
    if lanes == 1:
        return None
    if store.predicate is not None and any(
        isinstance(item, Load) and item.dtype.lanes > 1 and item.predicate is None for item in walk(store.value)
    ):
        return None
    lane = Var(f"{store.buffer.name}.lane")
    try:
        indices = tuple(_lane(index, lane) for index in store.indices)
        predicate = None if store.predicate is None else _lane(store.predicate, lane)
        scalar = Store(store.buffer, indices, _lane(store.value, lane), predicate, store.span)
    except _RefusedError:
        return None
    return For(lane, Const(0), Const(lanes), scalar, span=store.span)


def _lane(expr: Expr, lane: Var) -> Expr:
    """Return one lane of ``expr``; a scalar is the same in every lane."""
    if expr.dtype.lanes == 1:
        if any(isinstance(item, Expr) and item.dtype.lanes > 1 for item in walk(expr)):
            raise _RefusedError
        return expr
    match expr:
        case Ramp():
            return add(expr.base, mul(cast(expr.base.dtype, lane), expr.stride))
        case Broadcast():
            return expr.value
        case Binary():
            return Binary(expr.op, _lane(expr.a, lane), _lane(expr.b, lane), expr.span)
        case Unary():
            return Unary(expr.op, _lane(expr.a, lane), expr.span)
        case Compare():
            return Compare(expr.op, _lane(expr.a, lane), _lane(expr.b, lane), expr.span)
        case Select():
            return Select(_lane(expr.condition, lane), _lane(expr.a, lane), _lane(expr.b, lane), expr.span)
        case Cast():
            return Cast(expr.dtype.element, _lane(expr.a, lane), expr.span)
        case Load():
            predicate = None if expr.predicate is None else _lane(expr.predicate, lane)
            return Load(expr.buffer, tuple(_lane(index, lane) for index in expr.indices), predicate, expr.span)
        case Intrin() if expr.name in INTRINSICS and INTRINSICS[expr.name].elementwise:
            return Intrin(expr.name, tuple(_lane(arg, lane) for arg in expr.args), expr.dtype.element, expr.span)
        case _:
            raise _RefusedError
