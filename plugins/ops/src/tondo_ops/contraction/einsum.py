"""Einstein sums of any number of operands.

Operands are combined from left to right, two at a time; an axis is summed away as soon as no later operand and no
result needs it. Each combination is one contraction with plain indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tondo.ir import Buffer, Compute, DType, Expr, OpCall, Operator, TensorFunction, TensorType, is_const
from tondo_ops.support.attributes import refuse, string
from tondo_ops.support.dims import ZERO, broadcast_dim
from tondo_ops.support.indices import at
from tondo_ops.support.stages import reduction
from tondo_ops.support.typing import count, one_dtype, start, want_numeric, wide
from tondo_ops.window.conv import finish

_MANY = 1 << 10
_ELLIPSIS = "..."


@dataclass(frozen=True, slots=True)
class Labels:
    """The axes of every operand and of the result by label; ``extents`` gives the size of each label.

    Axes under an ellipsis get the labels ``.0``, ``.1`` ... counted from the right.
    """

    operands: tuple[tuple[str, ...], ...]
    result: tuple[str, ...]
    extents: dict[str, Expr]


def _labels_of(call: OpCall, term: str, rank: int | None) -> tuple[str, ...]:
    """Return the labels of one term; its ellipsis stands for the dimensions that the letters leave of ``rank``."""
    head, dots, tail = term.partition(_ELLIPSIS)
    letters = head + tail
    if not all(letter.isalpha() and letter.isascii() for letter in letters):
        refuse(call, f"'{term}' is not a term of an equation")
    if rank is None:
        return (*head, _ELLIPSIS, *tail) if dots else tuple(letters)
    hidden = rank - len(letters)
    if hidden < 0 or (hidden and not dots):
        refuse(call, f"term '{term}' does not fit an argument of rank {rank}")
    return (*head, *(f".{i}" for i in reversed(range(hidden))), *tail)


def parse(call: OpCall) -> Labels:
    """Return the labels of the equation of ``call``."""
    equation = string(call, "equation").replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(call.args):
        refuse(call, f"the equation has {len(terms)} operands, the call {len(call.args)}")
    operands = tuple(_labels_of(call, term, arg.rank) for term, arg in zip(terms, call.args, strict=True))
    extents = _extents(call, operands)
    hidden = tuple(sorted((label for label in extents if label.startswith(".")), key=lambda label: -int(label[1:])))
    if arrow:
        wanted = _labels_of(call, right, None)
        result = tuple(label for item in wanted for label in (hidden if item == _ELLIPSIS else (item,)))
    else:
        letters = [label for operand in operands for label in operand if not label.startswith(".")]
        result = (*hidden, *sorted(label for label in set(letters) if letters.count(label) == 1))
    if len(set(result)) != len(result) or not set(result) <= set(extents):
        refuse(call, "the result of the equation repeats a label or has one that no operand has")
    return Labels(operands, result, extents)


def _extents(call: OpCall, operands: Sequence[Sequence[str]]) -> dict[str, Expr]:
    extents: dict[str, Expr] = {}
    for labels, arg in zip(operands, call.args, strict=True):
        for label, extent in zip(labels, arg.dims, strict=True):
            known = extents.get(label, extent)
            joined = broadcast_dim(known, extent)
            if joined is None:
                refuse(call, f"label '{label}' has two different sizes")
            if not is_const(known, 1) and not is_const(extent, 1):
                call.take(known, extent)
            extents[label] = joined
    return extents


def _infer(call: OpCall) -> tuple[TensorType, ...]:
    count(call, 1, _MANY)
    dtype = one_dtype(call)
    want_numeric(call, call.args[0])
    labels = parse(call)
    return (TensorType(tuple(labels.extents[label] for label in labels.result), dtype),)


@dataclass(frozen=True, slots=True)
class _Operand:
    buffer: Buffer
    labels: tuple[str, ...]

    def load(self, index: dict[str, Expr], extents: dict[str, Expr], dtype: DType) -> Expr:
        own = [
            ZERO if is_const(size, 1) and not is_const(extents[label], 1) else index[label]
            for label, size in zip(self.labels, self.buffer.shape, strict=True)
        ]
        return at(self.buffer, own).astype(dtype)


def _define(call: OpCall) -> TensorFunction:
    (out,) = _infer(call)
    labels = parse(call)
    builder, inputs = start(call, "a", "b", "c", "d")
    dtype = wide(out.dtype)
    operands = [_Operand(buffer, own) for buffer, own in zip(inputs, labels.operands, strict=True)]
    if len(operands) > 1:
        operands = [_summed(builder, operands, i, labels, dtype) for i in range(len(operands))]
    left = operands[0]
    for position in range(1, len(operands) - 1):
        later = {label for operand in operands[position + 1 :] for label in operand.labels} | set(labels.result)
        own = tuple(dict.fromkeys((*left.labels, *operands[position].labels)))
        kept = tuple(label for label in own if label in later)
        left = _combine(builder, f"partial{position}", [left, operands[position]], kept, labels, dtype)
    last = [left, *operands[-1:]] if len(operands) > 1 else [left]
    total = _combine(builder, "total", last, labels.result, labels, dtype).buffer
    return builder.build(finish(builder, total, (), out))


def _summed(builder: Compute, operands: Sequence[_Operand], position: int, labels: Labels, dtype: DType) -> _Operand:
    """Return the operand with the axes summed that nothing else has."""
    operand = operands[position]
    others = {label for i, other in enumerate(operands) if i != position for label in other.labels}
    kept = tuple(label for label in dict.fromkeys(operand.labels) if label in others or label in labels.result)
    if set(kept) == set(operand.labels):
        return operand
    return _combine(builder, f"sum{position}", [operand], kept, labels, dtype)


def _combine(
    builder: Compute, name: str, operands: Sequence[_Operand], kept: tuple[str, ...], labels: Labels, dtype: DType
) -> _Operand:
    """Return the product of ``operands`` summed over the labels that are not ``kept``."""
    every = dict.fromkeys(label for operand in operands for label in operand.labels)
    summed = tuple(label for label in every if label not in kept)

    def value(*index: Expr) -> Expr:
        by_label = dict(zip((*kept, *summed), index, strict=True))
        result = operands[0].load(by_label, labels.extents, dtype)
        for operand in operands[1:]:
            result = result * operand.load(by_label, labels.extents, dtype)
        return result

    shape = tuple(labels.extents[label] for label in kept)
    if not summed:
        return _Operand(builder.compute(name, shape, value), kept)
    return _Operand(reduction(builder, name, shape, tuple(labels.extents[label] for label in summed), value), kept)


OPERATORS: tuple[Operator, ...] = (Operator("einsum", _infer, _define, "Einstein sum"),)
