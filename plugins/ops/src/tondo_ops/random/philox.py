"""Random numbers from Philox4x32-10 (Salmon et al.: "Parallel random numbers: as easy as 1, 2, 3", 2011).

    words[i] = philox(counter = (i, key[1]), key = key[0])

Four words of 32 bits per element of the result, from its position and the two int64 numbers of the argument ``key``: a
seed, and how often it was used. Equal keys give equal numbers on every machine and for any number of threads.

A uniform number has 24 (float32 and narrower) or 53 bits (float64) and is below the upper limit before rounding; a
normal one is made of two uniform ones by the method of Box and Muller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from tondo.ir import (
    FLOAT32,
    FLOAT64,
    Binary,
    Buffer,
    Const,
    DType,
    Expr,
    OpCall,
    Operator,
    Region,
    Store,
    TensorFunction,
    TensorType,
    const,
    dtype,
    intrin,
    whole,
)
from tondo_ops.support.attributes import element_type, extents, number, refuse
from tondo_ops.support.dims import ONE, ZERO
from tondo_ops.support.indices import at
from tondo_ops.support.lets import Lets
from tondo_ops.support.opaque import Nest, function_of
from tondo_ops.support.typing import count, start, want_integer, want_rank

_WORD: Final = dtype("uint64")
_MASK: Final = (1 << 32) - 1
_FACTORS: Final = (0xD2511F53, 0xCD9E8D57)
_STEPS: Final = (0x9E3779B9, 0xBB67AE85)
_ROUNDS: Final = 10


def _word(value: int) -> Expr:
    return const(value, _WORD)


def _low(value: Expr) -> Expr:
    return Binary("and", value, _word(_MASK))


def _high(value: Expr) -> Expr:
    return Binary("shr", value, _word(32))


def _xor(*values: Expr) -> Expr:
    result, *rest = values
    for value in rest:
        result = Binary("xor", result, value)
    return result


def _words(lets: Lets, counter: Sequence[Expr], key: Sequence[Expr]) -> tuple[Expr, ...]:
    """Return the four words of 32 bits, each in 64, of a counter of four words and a key of two."""
    state, keys = list(counter), list(key)
    for _ in range(_ROUNDS):
        first = lets.let(state[0] * _word(_FACTORS[0]))
        second = lets.let(state[2] * _word(_FACTORS[1]))
        state = [
            lets.let(_xor(_high(second), state[1], keys[0])),
            lets.let(_low(second)),
            lets.let(_xor(_high(first), state[3], keys[1])),
            lets.let(_low(first)),
        ]
        keys = [lets.let(_low(part + _word(step))) for part, step in zip(keys, _STEPS, strict=True)]
    return tuple(state)


def _fraction(work: DType, words: Sequence[Expr]) -> Expr:
    """Return a number in ``[0, 1)`` of the first two ``words``."""
    if work == FLOAT32:
        return Binary("shr", words[0], _word(8)).astype(FLOAT32) * const(2.0**-24, FLOAT32)
    high, low = Binary("shr", words[0], _word(5)), Binary("shr", words[1], _word(6))
    return (high * _word(1 << 26) + low).astype(FLOAT64) * const(2.0**-53, FLOAT64)


def _uniform(call: OpCall, lets: Lets, work: DType, words: Sequence[Expr]) -> Expr:
    low, high = (float(number(call, name, default)) for name, default in (("low", 0.0), ("high", 1.0)))
    return const(low, work) + _fraction(work, words) * const(high - low, work)


def _normal(call: OpCall, lets: Lets, work: DType, words: Sequence[Expr]) -> Expr:
    radius = lets.let(const(1.0, work) - _fraction(work, words))
    angle = lets.let(_fraction(work, words[2:]) * const(2 * math.pi, work))
    value = intrin("sqrt", intrin("log", radius) * const(-2.0, work)) * intrin("cos", angle)
    return const(float(number(call, "mean", 0.0)), work) + value * const(float(number(call, "scale", 1.0)), work)


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1)
    (key,) = call.args
    want_rank(call, key, 1)
    want_integer(call, key)
    if key.dims[0] != Const(2):
        refuse(call, "a key has two numbers")
    kind = element_type(call, "dtype", FLOAT32)
    if not kind.is_float:
        refuse(call, f"numbers of {kind} cannot be drawn")
    return (TensorType(extents(call, "shape"), kind),)


def _halves(lets: Lets, value: Expr) -> tuple[Expr, Expr]:
    whole_word = lets.let(value.astype(_WORD))
    return lets.let(_low(whole_word)), lets.let(_high(whole_word))


def _operator(name: str, draw: Callable[[OpCall, Lets, DType, Sequence[Expr]], Expr], doc: str) -> Operator:
    def define(call: OpCall) -> TensorFunction:
        (out,) = _infer(call)
        _, (key,) = start(call, "key")
        y = Buffer("y", out.dims, out.dtype)
        nest, lets = Nest("draw", out.dims), Lets()
        place: Expr = ZERO
        for index, extent in zip(nest.index, out.dims, strict=True):
            place = place * extent + index
        seed, use = (at(key, (part,)) for part in (ZERO, ONE))
        words = _words(lets, (*_halves(lets, place), *_halves(lets, use)), _halves(lets, seed))
        work = FLOAT64 if out.dtype == FLOAT64 else FLOAT32
        value = draw(call, lets, work, words)
        body = lets.around(Store(y, nest.index, value.astype(out.dtype)))
        writes: Region = nest.around(y, frozenset())
        return function_of(call.op, (key,), (y,), nest.block(body, (whole(key),), (writes,)))

    return Operator(name, _infer, define, doc)


OPERATORS: tuple[Operator, ...] = (
    _operator("random_uniform", _uniform, "numbers of uniform distribution"),
    _operator("random_normal", _normal, "numbers of normal distribution"),
)
