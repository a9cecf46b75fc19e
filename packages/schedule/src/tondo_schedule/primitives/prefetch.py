"""``prefetch``: while one iteration of a loop runs, what the next one reads of a buffer comes near.

Before::

    for p in range(3):
        for t in range(2):
            for k in range(8):
                B[p, t, k] = A[p, k] * 2

After ``prefetch("A", p, k)``::

    for p in range(3):
        for t in range(2):
            for k in range(8):
                prefetch(A[p + 1, t * 8 + k])
                B[p, t, k] = A[p, k] * 2

The reads of the next iteration are spread evenly over this one, so that memory works all the time and not only where
a piece is read for the first time. Behind the last iteration the hint names what lies behind in memory; a hint never
fails. Refused if one iteration does not read a piece of known size that is contiguous in memory, or if the loops in
between have unknown extents.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from tondo.ir import (
    Buffer,
    Const,
    Evaluate,
    Expr,
    For,
    Load,
    TensorFunction,
    Var,
    add,
    intrin,
    mul,
    seq,
    sub,
    substitute,
    walk,
)
from tondo_schedule.refusal import refuse
from tondo_schedule.region import Span, reads_below
from tondo_schedule.tree import Place, analyzer_for, loop_at, loop_place, put, with_body

_LINE = 64
"""Bytes that one hint brings."""


def apply(function: TensorFunction, buffer: str, loop: Var, inner: Var) -> tuple[TensorFunction, None]:
    """Return the function with hints in each iteration of ``inner`` for the next iteration of ``loop``.

    Raises:
        TondoError: TND-B003 if that is not possible.
    """
    subject = f"buffer '{buffer}'"
    around = loop_place(function, loop, "prefetch")
    place = loop_place(function, inner, "prefetch")
    node = loop_at(place)
    if loop_at(around) not in place.loops:
        refuse("prefetch", subject, f"loop '{inner.name}' is not inside loop '{loop.name}'")
    operand = next((item.buffer for item in walk(node) if isinstance(item, Load) and item.buffer.name == buffer), None)
    spans = None if operand is None else reads_below(function, around, operand)
    if operand is None or spans is None:
        refuse("prefetch", subject, f"nothing inside loop '{inner.name}' reads it")
    size = _contiguous(operand, spans)
    if size is None:
        refuse("prefetch", subject, f"what one iteration of '{loop.name}' reads is not one piece of known size")
    counted = _counted(function, (*place.below(loop_at(around)), node), place)
    if counted is None:
        refuse("prefetch", subject, f"the loops inside '{loop.name}' are of unknown extent")
    turn, count = counted
    step = -(-size // count)
    *outer, last = (substitute(span.low, {loop: add(loop, 1)}) for span in spans)
    hints = [
        Evaluate(intrin("prefetch", Load(operand, (*outer, add(add(last, mul(turn, step)), offset)))))
        for offset in range(0, step, _LINE // operand.dtype.bytes)
    ]
    return with_body(function, put(place, replace(node, body=seq(*hints, node.body)))), None


def _contiguous(buffer: Buffer, spans: tuple[Span, ...]) -> int | None:
    """Return the elements of the region if it is one piece of memory: whole dimensions behind a part of one."""
    if buffer.strides is not None:
        return None
    size, whole = 1, True
    for span, extent in zip(reversed(spans), reversed(buffer.shape), strict=True):
        if not isinstance(span.extent, Const):
            return None
        count = int(span.extent.value)
        if count != 1 and not whole:
            return None
        whole = whole and span.low == Const(0) and span.extent == extent
        size *= count
    return size


def _counted(function: TensorFunction, loops: tuple[For, ...], place: Place) -> tuple[Expr, int] | None:
    """Return which execution of the innermost of ``loops`` is at hand and how many there are."""
    analyzer = analyzer_for(function, place)
    extents = [analyzer.simplify(item.extent) for item in loops]
    counts = [int(item.value) for item in extents if isinstance(item, Const)]
    if len(counts) < len(loops):
        return None
    turn: Expr = Const(0)
    for item, count in zip(loops, counts, strict=True):
        turn = add(mul(turn, count), sub(item.var, item.begin))
    return turn, prod(counts)
