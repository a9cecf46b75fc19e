"""``split_axis``: an iteration variable of a block becomes two.

Before::

    for c in range(12):
        O[c] = T[c // 4, c % 4]

After ``split_axis("O", c, 4)``::

    for c_o in range(3):
        for c_i in range(4):
            O[c_o * 4 + c_i] = T[c_o, c_i]

Refused if the extent is not proven to be a multiple of the factor, or if the loop is not the variable's alone.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import Const, Expr, For, IterVar, TensorFunction, Var, add, floordiv, mul, simplify_with, substitute
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    Names,
    analyzer_for,
    block_at,
    block_place,
    blocks_of,
    loop_at,
    loop_place,
    put,
    uses,
    with_body,
    with_regions,
)


def apply(function: TensorFunction, block: str, axis: Var, factor: int) -> tuple[TensorFunction, tuple[Var, Var]]:
    """Return the function and the outer and inner iteration variables.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    place = block_place(function, block, "split_axis")
    node = block_at(place)
    subject = f"block '{block}'"
    found = [it for it in node.iters if it.var == axis]
    if not found or not isinstance(found[0].binding, Var):
        refuse("split_axis", subject, f"'{axis.name}' is not an iteration variable bound to a loop of its own")
    (it,) = found
    binding = it.binding
    assert isinstance(binding, Var)
    at = loop_place(function, binding, "split_axis")
    loop = loop_at(at)
    others = [item for item in node.iters if item is not it and uses(item.binding, binding)]
    shared = [item.name for item in blocks_of(loop) if item.name != block and uses(item, binding)]
    if others or shared:
        user = f"'{others[0].var.name}'" if others else f"block '{shared[0]}'"
        refuse("split_axis", subject, f"{user} uses loop '{binding.name}', too")
    analyzer = analyzer_for(function)
    if not analyzer.divides(factor, it.extent) or node.predicate is not None or loop.begin != Const(0):
        refuse("split_axis", subject, f"the extent of '{axis.name}' is not a multiple of {factor}")
    names = Names(function)
    outer = IterVar(
        Var(names(f"{axis.name}_o")),
        analyzer.simplify(floordiv(it.extent, Const(factor))),
        Var(names(f"{binding.name}_o")),
        it.kind,
    )
    inner = IterVar(Var(names(f"{axis.name}_i")), Const(factor), Var(names(f"{binding.name}_i")), it.kind)
    position: Expr = add(mul(outer.var, factor), inner.var)
    known = analyzer
    for item in (outer, inner):  # the other variables stay as they are, also those that are always zero
        known = known.with_range(item.var, Const(0), item.extent)

    def tidy(expr: Expr) -> Expr:
        return known.simplify(expr) if expr.dtype.is_integer and expr.dtype.lanes == 1 else expr

    body = simplify_with(substitute(node.body, {axis: position}), tidy)
    init = None if node.init is None else simplify_with(substitute(node.init, {axis: position}), tidy)
    iters = tuple(new for old in node.iters for new in ((outer, inner) if old is it else (old,)))
    made = with_body(function, put(place, replace(with_regions(node, body), iters=iters, init=init)))
    target = loop_place(made, binding)
    assert isinstance(outer.binding, Var)
    assert isinstance(inner.binding, Var)
    nest = For(
        outer.binding,
        Const(0),
        outer.extent,
        For(inner.binding, Const(0), inner.extent, loop_at(target).body, loop.kind),
        loop.kind,
    )
    return with_body(made, put(target, nest)), (outer.var, inner.var)
