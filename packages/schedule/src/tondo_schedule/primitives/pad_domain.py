"""``pad_domain``: an iteration variable of a block runs over a rounded-up domain, so that its tiles are all full.

Before (``B`` has 3 x 16 columns, of which 40 are wanted)::

    for n in range(40):
        T[n] = B[n // 16, n % 16] * 2
    for n in range(40):
        O[n] = T[n]

After ``pad_domain("T", n, 16)``::

    T: memory[48]
    for n in range(48):
        T[n] = B[n // 16, n % 16] * 2
    for n in range(40):
        O[n] = T[n]

Refused if the block's result is a parameter of the function, if the loop is not the variable's alone, or if a load
is not proven to stay within its buffer over the larger domain.
"""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import Const, Load, TensorFunction, Var, ceildiv, floordiv, mul, substitute, walk
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import analyzer_for, block_at, block_place, loop_at, loop_place, put, single_store, with_body


def apply(function: TensorFunction, block: str, loop: Var, multiple: int) -> tuple[TensorFunction, None]:
    """Return the function with the domain of ``loop`` rounded up to a multiple.

    Raises:
        TondoError: TND-B003 if that is not legal.
    """
    place = block_place(function, block, "pad_domain")
    node = block_at(place)
    store = single_store(node, "pad_domain")
    subject = f"block '{block}'"
    at = loop_place(function, loop, "pad_domain")
    iters = [it for it in node.iters if it.binding == loop and it.kind == "spatial"]
    if len(iters) != 1 or iters[0].var not in store.indices or node.predicate is not None:
        refuse("pad_domain", subject, f"loop '{loop.name}' is not one spatial iteration variable of it")
    if store.buffer in function.buffers:
        refuse("pad_domain", subject, f"'{store.buffer.name}' is a parameter")
    it = iters[0]
    analyzer = analyzer_for(function, place)
    extent = analyzer.simplify(mul(ceildiv(it.extent, Const(multiple)), multiple))
    panel, panels = floordiv(it.var, Const(multiple)), analyzer.simplify(ceildiv(it.extent, Const(multiple)))
    inner = analyzer_for(function)
    for item in node.iters:
        inner = inner.with_range(item.var, Const(0), extent if item is it else item.extent)
    for load in walk(node.body):
        if not isinstance(load, Load) or load.buffer == store.buffer:
            continue
        for index, size in zip(load.indices, load.buffer.shape, strict=True):
            if index == panel and analyzer.simplify(size) == panels:
                continue  # position // multiple is below extent / multiple by construction
            if not (inner.prove(index >= 0) and inner.prove(index < size)):
                refuse("pad_domain", subject, f"a load of '{load.buffer.name}' may leave it over the larger domain")
    buffer = store.buffer
    shape = tuple(extent if index == it.var else size for index, size in zip(store.indices, buffer.shape, strict=True))
    made = with_body(function, put(at, replace(loop_at(at), extent=extent)))
    target = block_place(made, block)
    wider = replace(node, iters=tuple(replace(item, extent=extent) if item is it else item for item in node.iters))
    made = with_body(made, put(target, wider))
    return with_body(made, substitute(made.body, None, {buffer: replace(buffer, shape=shape)})), None
