"""``pad``: an iteration variable of a block runs over a rounded-up domain, so that its tiles are all full.

Before::

    for n in range(6):
        for k in range(4):
            C[n] += A[n, k] * W[k]

After ``pad("C", n, 4)``::

    C_global: memory[8]
    A_pad: memory[8, 4]
    for A_pad_l0 in range(8):
        for A_pad_l1 in range(4):
            A_pad[A_pad_l0, A_pad_l1] = select(A_pad_l0 < 6, A[A_pad_l0, A_pad_l1], 0)
    for n in range(8):
        for k in range(4):
            C_global[n] += A_pad[n, k] * W[k]
    for C_write_l0 in range(6):
        C[C_write_l0] = C_global[C_write_l0]

Operands that the larger domain would leave are read from a copy with zeros around; others (panels with padding of their
own, say) stay. A result that is a parameter is computed in a buffer of its own, of which the part that is wanted is
copied. A reduction may be padded where every step that is added contributes nothing: each factor of the product is
zero there (for a minimum or maximum, the value the neutral element). Refused where that is not so, for another block
in the loop, and for a condition.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.arith import Analyzer, project
from tondo.ir import (
    GLOBAL,
    Allocate,
    Binary,
    Block,
    Buffer,
    Cast,
    Const,
    Expr,
    IterVar,
    Load,
    Node,
    Select,
    Store,
    TensorFunction,
    Unary,
    Var,
    all_of,
    ceildiv,
    floordiv,
    maximum,
    mul,
    nest,
    rewrite,
    seq,
    substitute,
    walk,
)
from tondo_schedule.primitives.cache_write import apply as cache_write
from tondo_schedule.primitives.combiner import update_of
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import (
    Names,
    analyzer_for,
    block_at,
    block_place,
    blocks_of,
    loop_at,
    loop_place,
    nest_of,
    put,
    single_store,
    uses,
    with_body,
    with_regions,
)


def apply(
    function: TensorFunction, block: str, loop: Var, multiple: int
) -> tuple[TensorFunction, tuple[tuple[str, ...], str | None]]:
    """Return the function, the names of the blocks that copy operands, and of the one that copies the result.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    node = block_at(block_place(function, block, "pad"))
    store = single_store(node, "pad")
    subject = f"block '{block}'"
    it = _axis(function, node, loop, subject)
    analyzer = analyzer_for(function, block_place(function, block))
    if multiple < 1:
        refuse("pad", subject, f"the multiple is {multiple}")
    if analyzer.divides(multiple, it.extent):
        return function, ((), None)
    if it.kind == "spatial" and it.var not in store.indices:
        refuse("pad", subject, f"it stores '{store.buffer.name}' at an index that is not '{it.var.name}'")
    fill = Const(0, store.buffer.dtype) if it.kind == "spatial" else _neutral(node, it, subject)
    extent = analyzer.simplify(mul(ceildiv(it.extent, Const(multiple)), multiple))
    copies: list[str] = []
    for load in _leaving(function, node, it, extent, multiple):
        function, name = _copied(function, block, load, it, extent, fill)
        copies.append(name)
    written: str | None = None
    if it.kind == "spatial" and store.buffer in function.buffers:
        function, written = cache_write(function, block, GLOBAL)
    return _widened(function, block, loop, extent), (tuple(copies), written)


def _axis(function: TensorFunction, node: Block, loop: Var, subject: str) -> IterVar:
    found = [it for it in node.iters if it.binding == loop]
    if (
        len(found) != 1
        or node.predicate is not None
        or any(uses(it.binding, loop) for it in node.iters if it not in found)
    ):
        refuse("pad", subject, f"loop '{loop.name}' is not one iteration variable of it without a condition")
    others = [item.name for item in blocks_of(loop_at(loop_place(function, loop, "pad"))) if item.name != node.name]
    if others:
        refuse("pad", subject, f"block '{others[0]}' is in loop '{loop.name}', too")
    return found[0]


def _neutral(node: Block, it: IterVar, subject: str) -> Const:
    """Return what padding of the operands leaves a reduction over ``it`` as it is."""
    update = update_of(node)
    if update is None:
        refuse("pad", subject, f"it is not a sum, minimum or maximum, so padding '{it.var.name}' would change it")
    inside = [
        item for item in walk(update.value) if isinstance(item, Load) and any(uses(i, it.var) for i in item.indices)
    ]
    for load in inside:
        plain = [dim for dim, index in enumerate(load.indices) if index == it.var]
        if len(plain) != 1 or any(uses(index, it.var) and index != it.var for index in load.indices):
            refuse(
                "pad",
                subject,
                f"'{load.buffer.name}' has no dimension of its own for the reduction over '{it.var.name}'",
                help="reindex gives it one",
            )
    zero = update.op == "add" and _vanishes(update.value, it.var)
    if not zero and not (update.op in {"min", "max"} and isinstance(update.value, Load) and inside):
        refuse("pad", subject, f"steps added to the reduction over '{it.var.name}' would not be neutral")
    return update.neutral


def _vanishes(value: Expr, axis: Var) -> bool:
    """Whether ``value`` is zero where the loads that ``axis`` indexes are; zero times what may be infinite is not."""
    match value:
        case Load():
            return any(uses(index, axis) for index in value.indices)
        case Cast() | Unary(op="neg"):
            return _vanishes(value.a, axis)
        case Binary(op="mul"):
            parts = (value.a, value.b)
            return any(_vanishes(part, axis) for part in parts) and all(
                _vanishes(part, axis) or isinstance(part, Const) for part in parts
            )
        case Binary(op="add" | "sub"):
            return _vanishes(value.a, axis) and _vanishes(value.b, axis)
        case _:
            return False


def _leaving(function: TensorFunction, node: Block, it: IterVar, extent: Expr, multiple: int) -> list[Load]:
    """Return the loads that need a copy with padding."""
    known = analyzer_for(function)
    for item in node.iters:
        known = known.with_range(item.var, Const(0), extent if item is it else item.extent)
    panel, panels = floordiv(it.var, Const(multiple)), known.simplify(ceildiv(it.extent, Const(multiple)))
    store = single_store(node, "pad")
    found: dict[Buffer, Load] = {}
    for load in dict.fromkeys(item for item in walk(node.body) if isinstance(item, Load)):
        if load.buffer == store.buffer or not any(uses(index, it.var) for index in load.indices):
            continue
        inside = all(
            (index == panel and known.simplify(size) == panels) or _within(known, index, size)
            for index, size in zip(load.indices, load.buffer.shape, strict=True)
        )
        if not inside or it.kind == "reduction":
            if load.buffer in found:
                refuse("pad", f"block '{node.name}'", f"it reads '{load.buffer.name}' at several places")
            found[load.buffer] = load
    return list(found.values())


def _within(known: Analyzer, index: Expr, size: Expr) -> bool:
    return known.prove(index >= 0) and known.prove(index < size)


def _copied(
    function: TensorFunction, block: str, load: Load, it: IterVar, extent: Expr, fill: Const
) -> tuple[TensorFunction, str]:
    """Return the function in which ``block`` reads a copy of what ``load`` reads that is as large as the new domain."""
    place = block_place(function, block)
    node = block_at(place)
    known = analyzer_for(function)
    ranges: dict[Var, tuple[Expr, Expr]] = {
        item.var: (Const(0), extent if item.var == it.var else item.extent) for item in node.iters
    }
    shape: list[Expr] = []
    for index, size in zip(load.indices, load.buffer.shape, strict=True):
        limits = project(index, dict(ranges), known)
        if limits is None or not known.prove(limits[0] >= 0):
            refuse("pad", f"block '{block}'", f"an index of '{load.buffer.name}' has no bounds over the larger domain")
        shape.append(known.simplify(maximum(size, limits[1] + 1)))
    names = Names(function)
    copy = Buffer(names(f"{load.buffer.name}_pad"), tuple(shape), load.buffer.dtype)
    iters = tuple(
        IterVar(Var(names(f"{copy.name}_{i}")), size, Var(names(f"{copy.name}_l{i}"))) for i, size in enumerate(shape)
    )
    indices = tuple(it.var for it in iters)
    condition = all_of(
        [
            index < size
            for index, size, wider in zip(indices, load.buffer.shape, shape, strict=True)
            if not known.prove(wider.eq(size))
        ]
    )
    source: Expr = Load(load.buffer, indices)
    if condition is not None:
        source = Select(condition, source, Const(fill.value, load.buffer.dtype))
    copying = nest(copy.name, iters, Store(copy, indices, source))

    def change(item: Node) -> Node:
        return replace(item, buffer=copy) if isinstance(item, Load) and item.buffer == load.buffer else item

    made = with_body(function, put(place, with_regions(node, rewrite(node.body, change))))
    top = nest_of(block_place(made, block))
    return with_body(made, Allocate(copy, put(top, seq(copying, top.node)))), copy.name


def _widened(function: TensorFunction, block: str, loop: Var, extent: Expr) -> TensorFunction:
    """Return the function whose ``block`` has the new extent along ``loop``, and its result with it."""
    place = loop_place(function, loop)
    made = with_body(function, put(place, replace(loop_at(place), extent=extent)))
    target = block_place(made, block)
    node = block_at(target)
    store = single_store(node, "pad")
    (axis,) = (it for it in node.iters if it.binding == loop)
    iters = tuple(replace(it, extent=extent) if it is axis else it for it in node.iters)
    made = with_body(made, put(target, replace(node, iters=iters)))
    if axis.kind == "reduction":
        return made
    shape = tuple(
        extent if index == axis.var else size for index, size in zip(store.indices, store.buffer.shape, strict=True)
    )
    return with_body(made, substitute(made.body, None, {store.buffer: replace(store.buffer, shape=shape)}))
