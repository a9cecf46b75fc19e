"""Discrete Fourier transforms along an axis of ``[before, n, after, parts]``; parts: real, or real and imaginary.

    y[b, k, a] = sum over j < min(n, length) of x[b, j, a] * exp(-2 pi i k j / length)

A table of the turns ``k * j mod length`` and a contraction with it: work grows with ``n * length``. The angle is exact
in integers, so its error does not grow with the length. The inverse divides by the length; a one-sided inverse takes
the half of the spectrum that a real signal needs and returns that signal.
"""

from __future__ import annotations

import math
from functools import partial

from tondo.ir import (
    INT64,
    Buffer,
    Compute,
    Const,
    Expr,
    OpCall,
    Operator,
    TensorFunction,
    TensorType,
    const,
    floordiv,
    intrin,
    minimum,
    select,
)
from tondo_ops.support.attributes import dim, flag, refuse
from tondo_ops.support.dims import tidy
from tondo_ops.support.indices import at
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import count, start, want_float, want_rank, wide

_REAL, _COMPLEX = 1, 2


def _parts(call: OpCall) -> int:
    last = call.args[0].dims[-1]
    if not isinstance(last, Const) or last.value not in {_REAL, _COMPLEX}:
        refuse(call, "the last dimension must be 1 (real) or 2 (real and imaginary)")
    return int(last.value)


def _backward(call: OpCall) -> bool:
    return flag(call, "inverse", default=False)


def _halved(call: OpCall) -> bool:
    return flag(call, "onesided", default=False)


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (x,) = call.args
    want_float(call, x)
    want_rank(call, x, 4)
    parts = _parts(call)
    length = dim(call, "length")
    if _backward(call) and _halved(call) and parts == _REAL:
        refuse(call, "a one-sided inverse needs a complex spectrum")
    size = tidy(floordiv(length, Const(2)) + 1) if _halved(call) and not _backward(call) else length
    results = _REAL if _backward(call) and _halved(call) else _COMPLEX
    return (TensorType((x.dims[0], size, x.dims[2], Const(results)), x.dtype),)


def _table(call: OpCall, builder: Compute, rows: Expr, columns: Expr, length: Expr) -> tuple[Buffer, Buffer]:
    """Return cosine and sine (with the sign of the direction) of every pair of frequency and position."""
    kind = wide(call.args[0].dtype)

    def quarter(k: Expr, j: Expr) -> Expr:
        """Return how many quarters of a turn are nearest."""
        return floordiv((k * j) % length * 8 + length, length * 2)

    def angle(k: Expr, j: Expr) -> Expr:
        """Return the rest of the turn, at most an eighth: 0 where the turn is whole quarters."""
        rest = (k * j) % length * 4 - quarter(k, j) * length
        return rest.astype(kind) * const(math.pi / 2, kind) / length.astype(kind)

    quarters = builder.compute("quarters", (rows, columns), lambda *i: quarter(*i) % 4)
    angles = builder.compute("angles", (rows, columns), angle)

    def turned(first: str, second: str, *i: Expr) -> Expr:
        """Return ``first`` of the angle turned by the quarters, ``second`` being its derivative up to the sign."""
        side, sign = at(quarters, i), 1.0 if first == "sin" else -1.0
        even, odd = intrin(first, at(angles, i)), intrin(second, at(angles, i)) * const(sign, kind)
        value = select((side % 2).eq(0), even, odd)
        return select(side >= 2, -value, value)

    cosine = builder.compute("cosine", (rows, columns), lambda *i: turned("cos", "sin", *i))
    direction = const(1.0 if _backward(call) else -1.0, kind)
    return cosine, builder.compute("sine", (rows, columns), lambda *i: turned("sin", "cos", *i) * direction)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    builder, (x,) = start(call, "x")
    kind, length, parts = wide(x.dtype), dim(call, "length"), _parts(call)
    mirrored = _backward(call) and _halved(call)
    half = tidy(floordiv(length, Const(2)) + 1)
    used = tidy(minimum(x.shape[1], half if mirrored else length))
    cosine, sine = _table(call, builder, out.dims[1], used, length)
    scaled = builder.compute("scaled", (x.shape[0], used, x.shape[2], Const(parts)), lambda *i: _scaled(call, x, *i))

    def term(part: int, b: Expr, k: Expr, a: Expr, j: Expr) -> Expr:
        real = at(scaled, (b, j, a, const(0)))
        if parts == _REAL:
            return real * at(cosine if part == 0 else sine, (k, j))
        imaginary = at(scaled, (b, j, a, const(1)))
        if part == 0:
            return real * at(cosine, (k, j)) - imaginary * at(sine, (k, j))
        return real * at(sine, (k, j)) + imaginary * at(cosine, (k, j))

    sums = [
        reduction(builder, name, out.dims[:3], (used,), partial(term, part))
        for part, name in enumerate(("real", "imaginary")[: int(_count(out))])
    ]

    def value(*index: Expr) -> Expr:
        place, part = index[:3], index[3]
        chosen = at(sums[0], place) if len(sums) == 1 else select(part.eq(0), at(sums[0], place), at(sums[1], place))
        whole = chosen / length.astype(kind) if _backward(call) else chosen
        return whole.astype(out.dtype)

    return builder.build(builder.compute("y", out.dims, value))


def _count(out: TensorType) -> int:
    last = out.dims[3]
    return int(last.value) if isinstance(last, Const) else _COMPLEX


def _scaled(call: OpCall, x: Buffer, *index: Expr) -> Expr:
    """Return an element of the spectrum; those that a one-sided inverse mirrors count twice."""
    value = at(x, index).astype(wide(x.dtype))
    if not (_backward(call) and _halved(call)):
        return value
    length, place = dim(call, "length"), index[1]
    alone = place.eq(0) | (place * 2).eq(length.astype(INT64))
    return select(alone, value, value * 2.0)


OPERATORS: tuple[Operator, ...] = (Operator("dft", _infer, _define, "discrete Fourier transform"),)
