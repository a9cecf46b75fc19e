"""``partition``: the iterations of a loop are run by two loops, one after the other.

Before::

    for i in range(10):
        B[i] = A[i] * 2

After ``partition(i, 8)``::

    for i in range(8):
        B[i] = A[i] * 2
    for i_1 in range(2):
        B[8 + i_1] = A[8 + i_1] * 2

Every iteration runs once and in the same order, so each loop can be scheduled by what holds in it alone: whole vectors
and a rest, the inside of a padded image and its border. Refused if the point does not lie inside the loop, and for a
loop that holds a reduction which has not been decomposed, unless that reduction lies inside.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import (
    Block,
    Const,
    Expr,
    For,
    Node,
    Stmt,
    TensorFunction,
    Var,
    add,
    definitions,
    rewrite,
    seq,
    substitute,
)
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import Names, analyzer_for, blocks_of, loop_at, loop_place, put, uses, with_body


def apply(function: TensorFunction, loop: Var, point: int) -> tuple[TensorFunction, tuple[Var, tuple[str, ...]]]:
    """Return the function, the second loop, and the names of the blocks inside it in order.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    place = loop_place(function, loop, "partition")
    node = loop_at(place)
    subject = f"loop '{loop.name}'"
    analyzer = analyzer_for(function, place)
    if point < 1 or not analyzer.prove(node.extent > point):
        refuse("partition", subject, f"{point} is not proven to lie inside it")
    for block in blocks_of(node.body):
        if block.init is not None and any(uses(it.binding, loop) for it in block.iters if it.kind == "reduction"):
            refuse("partition", subject, f"block '{block.name}' starts its reduction in it")
    names = Names(function)
    variables, buffers, blocks = definitions(node)
    if buffers:
        refuse("partition", subject, f"'{buffers[0].name}' is allocated inside it")
    fresh = {var: Var(names(var.name), var.dtype) for var in dict.fromkeys(variables)}
    titles = {name: names(name) for name in blocks}
    second = fresh[loop]
    values: dict[Var, Expr] = {**fresh, loop: add(Const(point, loop.dtype), second)}

    def rename(item: Node) -> Node:
        return replace(item, name=titles[item.name]) if isinstance(item, Block) else item

    rest = rewrite(substitute(node.body, values), rename)
    assert isinstance(rest, Stmt)
    extent = analyzer.simplify(node.extent - point)
    first = replace(node, extent=Const(point, node.extent.dtype))
    made = seq(first, For(second, node.begin, extent, rest, node.kind, node.attrs))
    return with_body(function, put(place, made)), (second, tuple(titles[name] for name in blocks))
