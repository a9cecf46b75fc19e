"""Shared by ``parallel``, ``vectorize`` and ``unroll``: change the kind of a loop."""

from __future__ import annotations

from dataclasses import replace

from tondo.ir import Attrs, TensorFunction, Var
from tondo_schedule.tree import loop_at, loop_place, put, with_body


def with_kind(function: TensorFunction, loop: Var, kind: str, attrs: Attrs | None = None) -> TensorFunction:
    """Return the function in which ``loop`` has ``kind``; ``attrs`` are added."""
    place = loop_place(function, loop, kind)
    node = loop_at(place)
    merged = node.attrs if attrs is None else node.attrs.with_(**dict(attrs))
    return with_body(function, put(place, replace(node, kind=kind, attrs=merged)))
