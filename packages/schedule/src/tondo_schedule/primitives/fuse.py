"""``fuse``: two directly nested loops become one.

Before::

    for i in range(4):
        for j in range(5):
            B[i, j] = A[i, j] * 2

After ``fuse(i, j)``::

    for i_j in range(20):
        B[i_j // 5, i_j % 5] = A[i_j // 5, i_j % 5] * 2

Refused if there is something between the loops or if the bounds of the inner one depend on the outer one.
"""

from __future__ import annotations

from tondo.ir import Const, Expr, For, TensorFunction, Var, add, floordiv, floormod, mul, substitute
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import Names, analyzer_for, loop_at, loop_place, put, uses, with_body


def apply(function: TensorFunction, outer: Var, inner: Var) -> tuple[TensorFunction, Var]:
    """Return the function with the two loops fused and the new loop variable.

    Raises:
        TondoError: TND-B003 if the loops are not directly nested and independent.
    """
    place = loop_place(function, outer, "fuse")
    first = loop_at(place)
    second = first.body
    subject = f"loops '{outer.name}' and '{inner.name}'"
    if not isinstance(second, For) or second.var != inner:
        refuse("fuse", subject, f"'{inner.name}' is not directly inside '{outer.name}'")
    if uses(second.begin, outer) or uses(second.extent, outer):
        refuse("fuse", subject, f"the bounds of '{inner.name}' depend on '{outer.name}'")
    analyzer = analyzer_for(function, place)
    var = Var(Names(function)(f"{outer.name}_{inner.name}"), outer.dtype)
    extent = analyzer.simplify(mul(first.extent, second.extent))
    values: dict[Var, Expr] = {
        outer: add(floordiv(var, second.extent), first.begin),
        inner: add(floormod(var, second.extent), second.begin),
    }
    if analyzer.prove(second.extent.eq(1)):
        values = {outer: add(var, first.begin), inner: second.begin}
    elif analyzer.prove(first.extent.eq(1)):
        values = {outer: first.begin, inner: add(var, second.begin)}
    attrs = first.attrs.with_(**dict(second.attrs))
    made = For(var, Const(0), extent, substitute(second.body, values), "serial", attrs)
    return with_body(function, put(place, made)), var
