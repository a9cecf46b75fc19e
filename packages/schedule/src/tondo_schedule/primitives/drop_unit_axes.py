"""``drop_unit_axes``: reduction variables that take one value only disappear from a block.

Before::

    for i in range(4):
        for k in range(8):
            for u in range(1):
                C[i] += A[i + u, k]

After ``drop_unit_axes("C")``::

    for i in range(4):
        for k in range(8):
            C[i] += A[i, k]

One reduction variable always stays, so that the block remains a reduction. Refuses nothing.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import Const, Expr, For, Stmt, TensorFunction, Var, simplify_with, substitute
from tondo_schedule.tree import analyzer_for, block_at, block_place, nest_of, put, uses, with_body, with_regions


def apply(function: TensorFunction, block: str) -> tuple[TensorFunction, None]:
    """Return the function in which ``block`` has no reduction variables of extent one (except a last one).

    Raises:
        TondoError: TND-B003 if there is no such block.
    """
    place = block_place(function, block, "drop_unit_axes")
    node = block_at(place)
    top = nest_of(place)
    analyzer = analyzer_for(function)
    reduced = [it for it in node.iters if it.kind == "reduction"]
    unit = [it for it in reduced if analyzer.simplify(it.extent) == Const(1) and isinstance(it.binding, Var)]
    if len(unit) == len(reduced):
        unit = unit[1:]
    loops = {it.binding for it in unit}
    if not unit or any(
        uses(it.binding, loop) for it in node.iters if it not in unit for loop in loops if isinstance(loop, Var)
    ):
        return function, None
    values: dict[Var, Expr] = {it.var: Const(0) for it in unit}
    body = simplify_with(
        substitute(node.body, values), lambda expr: analyzer.simplify(expr) if expr.dtype.is_integer else expr
    )
    made: Stmt = replace(with_regions(node, body), iters=tuple(it for it in node.iters if it not in unit))
    for item in reversed(place.path[len(top.path) - 1 : -1]):
        if isinstance(item, For) and item.var not in loops:
            made = replace(item, body=made)
    return with_body(function, put(top, made)), None
