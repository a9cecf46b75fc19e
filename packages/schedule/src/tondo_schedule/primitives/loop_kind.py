"""Shared by ``parallel``, ``bind``, ``vectorize`` and ``unroll``: change the kind of a loop."""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import LOCAL, Allocate, Attrs, For, Load, TensorFunction, Var, walk
from tondo_schedule.primitives.split import OVERLAP
from tondo_schedule.refusal import refuse
from tondo_schedule.tree import blocks_of, loop_at, loop_place, put, stores_of, uses, with_body


def with_kind(function: TensorFunction, loop: Var, kind: str, attrs: Attrs | None = None) -> TensorFunction:
    """Return the function in which ``loop`` has ``kind``; ``attrs`` are added."""
    place = loop_place(function, loop, kind)
    node = loop_at(place)
    merged = node.attrs if attrs is None else node.attrs.with_(**dict(attrs))
    return with_body(function, put(place, replace(node, kind=kind, attrs=merged)))


def check_independent(node: For, primitive: str) -> None:
    """Refuse ``primitive`` if iterations of ``node`` depend on each other."""
    subject = f"loop '{node.var.name}'"
    private = {item.buffer for item in walk(node.body) if isinstance(item, Allocate)}
    for block in blocks_of(node.body):
        shared = [s for s in stores_of(block.body) if s.buffer not in private and s.buffer.scope != LOCAL]
        if not shared:
            continue
        using = [it for it in block.iters if uses(it.binding, node.var)]
        for it in using:
            if it.kind == "reduction":
                refuse(primitive, subject, f"block '{block.name}' reduces over it into '{shared[0].buffer.name}'")
        if not using:
            refuse(
                primitive,
                subject,
                f"every iteration of it writes the same elements of '{shared[0].buffer.name}' (block '{block.name}')",
            )
        own = {item.buffer for item in walk(block.body) if isinstance(item, Load)}
        if node.attrs.get(OVERLAP) and any(store.buffer in own for store in shared):
            refuse(
                primitive,
                subject,
                f"its tiles overlap and block '{block.name}' updates '{shared[0].buffer.name}', which is "
                "not local to an iteration",
            )
