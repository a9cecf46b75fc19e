"""``split``: one loop becomes two, the inner one of ``factor`` iterations.

Before::

    for i in range(10):
        B[i] = A[i] * 2

After ``split(i, 4)``::

    for i_0 in range(3):
        for i_1 in range(4):
            B[i_0 * 4 + i_1] = A[i_0 * 4 + i_1] * 2 if i_0 * 4 + i_1 < 10

After ``split(i, 4, tail="shift")`` the last tile begins at ``10 - 4`` and overlaps the one before; there is no
condition::

    for i_0 in range(3):
        for i_1 in range(4):
            B[min(i_0 * 4, 6) + i_1] = A[min(i_0 * 4, 6) + i_1] * 2

A shift is legal if the extent is proven to be at least ``factor`` and if executing a block twice at one place changes
nothing: it does not read what it writes, unless its reduction loops all lie inside, so that it starts anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from tondo.ir import (
    Block,
    Const,
    Expr,
    For,
    Load,
    Stmt,
    TensorFunction,
    Var,
    add,
    ceildiv,
    floordiv,
    minimum,
    mul,
    sub,
    substitute,
    walk,
)
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    Names,
    Place,
    analyzer_for,
    blocks_of,
    both,
    loop_at,
    loop_place,
    put,
    stores_of,
    update_blocks,
    uses,
    with_body,
)

Tail = Literal["predicate", "shift"]
OVERLAP = "overlap"
"""Attribute of a loop whose iterations overlap: reduction loops must stay inside it."""


def apply(
    function: TensorFunction, loop: Var, factor: int, tail: Tail = "predicate"
) -> tuple[TensorFunction, tuple[Var, Var]]:
    """Return the function with ``loop`` split and the outer and inner loop variables.

    Raises:
        TondoError: TND-B003 if ``factor`` is not positive or a shift is not legal.
    """
    place = loop_place(function, loop, "split")
    node = loop_at(place)
    if factor < 1:
        refuse("split", f"loop '{loop.name}'", f"the factor is {factor}")
    analyzer = analyzer_for(function, place)
    extent = analyzer.simplify(node.extent)
    names = Names(function)
    outer, inner = Var(names(f"{loop.name}_0"), loop.dtype), Var(names(f"{loop.name}_1"), loop.dtype)
    exact = analyzer.divides(factor, extent)
    attrs = node.attrs
    body: Stmt = node.body
    if exact:
        position: Expr = add(mul(outer, factor), inner)
        count = analyzer.simplify(floordiv(extent, Const(factor)))
    elif tail == "shift":
        _check_shift(function, place, node, factor)
        position = add(minimum(mul(outer, factor), sub(extent, Const(factor))), inner)
        count = analyzer.simplify(ceildiv(extent, Const(factor)))
        attrs = attrs.with_(overlap=True)
    else:
        position = add(mul(outer, factor), inner)
        count = analyzer.simplify(ceildiv(extent, Const(factor)))
        condition = position < extent
        body = update_blocks(body, lambda block: replace(block, predicate=both(block.predicate, condition)))
    body = substitute(body, {loop: add(position, node.begin)})
    made = For(outer, Const(0), count, For(inner, Const(0), Const(factor), body), "serial", attrs)
    return with_body(function, put(place, made)), (outer, inner)


def _check_shift(function: TensorFunction, place: Place, node: For, factor: int) -> None:
    subject = f"loop '{node.var.name}'"
    if not analyzer_for(function, place).prove(node.extent >= factor):
        refuse("split", subject, f"its extent is not proven to be at least {factor}, which a shifted tail needs")
    for block in blocks_of(node.body):
        for it in block.iters:
            if it.kind == "reduction" and uses(it.binding, node.var):
                refuse("split", subject, f"block '{block.name}' reduces over it; a shifted tail would add twice")
        check_repeatable(block, node, subject)


def check_repeatable(block: Block, node: For, subject: str) -> None:
    """Refuse if executing ``block`` twice within one iteration of ``node`` could change a result."""
    written = {store.buffer for store in stores_of(block.body)}
    own = [item for item in walk(block.body) if isinstance(item, Load) and item.buffer in written]
    if not own:
        return
    inside = {item.var for item in walk(node.body) if isinstance(item, For)}
    for it in block.iters:
        if it.kind == "reduction" and any(isinstance(v, Var) and v not in inside for v in walk(it.binding)):
            refuse(
                "split",
                subject,
                f"block '{block.name}' reads '{own[0].buffer.name}', which it also writes, and its reduction "
                "begins outside the loop; a shifted tail would add twice",
            )
    if block.init is None and not _written_before(node, block, own[0]):
        refuse("split", subject, f"block '{block.name}' reads '{own[0].buffer.name}', which it also writes")


def _written_before(node: For, block: Block, load: Load) -> bool:
    for other in blocks_of(node.body):
        if other.name == block.name:
            return False
        if any(store.buffer == load.buffer for store in stores_of(other.body)) and not any(
            isinstance(item, Load) and item.buffer == load.buffer for item in walk(other.body)
        ):
            return True
    return False
