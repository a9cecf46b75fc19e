"""The index map of a reshape: where in a tensor of one shape lies an element of another shape.

Dimensions are first matched in groups of equal size (``[n, 12, 64]`` and ``[n, 3, 4, 64]`` match as ``n``,
``12 = 3 * 4``, ``64``); only inside a group is the position flattened and taken apart again. So splitting a dimension
gives an affine index, and division appears only where dimensions are merged.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.arith import Analyzer
from tondo.ir import Expr, Var, is_const
from tondo_ops.support.dims import ONE, ZERO, product, same

Group = tuple[tuple[int, ...], tuple[int, ...]]


def groups(source: Sequence[Expr], target: Sequence[Expr]) -> list[Group]:
    """Return the smallest groups (axes of ``source``, axes of ``target``) of provably equal sizes, in order.

    Axes of size 1 are left out. What cannot be matched forms the last group.
    """
    left = [axis for axis, extent in enumerate(source) if not is_const(extent, 1)]
    right = [axis for axis, extent in enumerate(target) if not is_const(extent, 1)]
    result: list[Group] = []
    while left and right:
        taken = _smallest(source, target, left, right)
        if taken is None:
            break
        a, b = taken
        result.append((tuple(left[:a]), tuple(right[:b])))
        left, right = left[a:], right[b:]
    if left or right:
        result.append((tuple(left), tuple(right)))
    return result


def _smallest(
    source: Sequence[Expr], target: Sequence[Expr], left: list[int], right: list[int]
) -> tuple[int, int] | None:
    """Return the fewest leading axes of both sides with equal products."""
    ahead = [product(source[axis] for axis in left[: i + 1]) for i in range(len(left))]
    behind = [product(target[axis] for axis in right[: i + 1]) for i in range(len(right))]
    pairs = sorted(((a, b) for a in range(len(left)) for b in range(len(right))), key=lambda pair: (sum(pair), pair))
    return next(((a + 1, b + 1) for a, b in pairs if same(ahead[a], behind[b])), None)


def source_index(source: Sequence[Expr], target: Sequence[Expr], index: Sequence[Expr]) -> tuple[Expr, ...]:
    """Return the index into shape ``source`` of the element at ``index`` of shape ``target`` (row-major order)."""
    result: list[Expr] = [ZERO] * len(source)
    for own, other in groups(source, target):
        flat: Expr = ZERO
        for axis in other:
            flat = flat * target[axis] + index[axis]
        for axis, value in zip(own, _digits(flat, [source[axis] for axis in own]), strict=True):
            result[axis] = _simplified(value, [target[axis] for axis in other], [index[axis] for axis in other])
    return tuple(result)


def _digits(flat: Expr, radices: Sequence[Expr]) -> list[Expr]:
    """Return the digits of ``flat`` in the mixed radix system of ``radices``, most significant first."""
    result: list[Expr] = []
    weight: Expr = ONE
    for position in reversed(range(len(radices))):
        digit = flat // weight
        result.append(digit if position == 0 else digit % radices[position])
        weight = product((weight, radices[position]))
    return list(reversed(result))


def _simplified(value: Expr, extents: Sequence[Expr], index: Sequence[Expr]) -> Expr:
    """Return ``value`` simplified, knowing the extents of the index variables."""
    ranges = {var: (ZERO, extent) for var, extent in zip(index, extents, strict=True) if isinstance(var, Var)}
    return Analyzer(ranges).simplify(value)
