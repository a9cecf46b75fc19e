"""Places of values in one block of memory; memory is reused when a value is dead.

Values of constant size are packed by offset (largest first, lowest free gap). Values of symbolic size share slots
behind them: a slot is as large as the largest of its values; a value prefers a slot whose size provably bounds its own.
Offsets and sizes are balanced trees, however many slots there are: readers of these expressions may limit their depth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tondo.arith import Analyzer
from tondo.interp.expressions import evaluate_expr
from tondo.ir import Const, Expr, Var, add, floordiv, maximum, mul, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ALIGNMENT: Final = 64
_POINTS: Final = 8


@dataclass(frozen=True, slots=True)
class Value:
    """Something that needs memory from its ``first`` to its ``last`` use (positions of bindings, inclusive)."""

    name: str
    size: Expr
    first: int
    last: int

    def overlaps(self, other: Value) -> bool:
        """Whether both need memory at the same time."""
        return self.first <= other.last and other.first <= self.last


def byte_size(shape: Iterable[Expr], width: int) -> Expr:
    """Return the bytes of a tensor, rounded up to the alignment."""
    total: Expr = Const(width)
    for extent in shape:
        total = mul(total, extent)
    return mul(floordiv(add(total, ALIGNMENT - 1), ALIGNMENT), ALIGNMENT)


def arrange(values: Sequence[Value], order: Order) -> tuple[dict[str, Expr], Expr]:
    """Return the offset of every value in bytes, by name, and the size of the block that holds them."""
    static = [value for value in values if isinstance(value.size, Const)]
    symbolic = [value for value in values if not isinstance(value.size, Const)]
    places, used = _pack(static)
    slots = _share(symbolic, order)
    offsets = _prefix_sums([Const(used), *(slot.size for slot in slots)])
    for slot, offset in zip(slots, offsets[1:], strict=False):
        places.update({value.name: offset for value in slot.values})
    return places, offsets[-1]


def largest(sizes: Sequence[Expr]) -> Expr:
    """Return the maximum of ``sizes``; 0 of none."""
    distinct = list(dict.fromkeys(sizes))
    return _balanced(maximum, distinct) if distinct else Const(0)


def _prefix_sums(sizes: Sequence[Expr]) -> list[Expr]:
    """Return 0, sizes[0], sizes[0] + sizes[1], ...: trees of logarithmic depth that share their parts."""
    sums: list[Expr] = [Const(0)]
    parts: list[tuple[int, Expr]] = []  # sums of 2**k neighbours, the longest first, as the bits of a counter
    for size in sizes:
        parts.append((1, size))
        while len(parts) > 1 and parts[-2][0] == parts[-1][0]:
            (count, left), (_, right) = parts[-2:]
            parts[-2:] = [(2 * count, add(left, right))]
        total: Expr = Const(0)
        for _, part in reversed(parts):
            total = add(part, total)
        sums.append(total)
    return sums


def _balanced(combine: Callable[[Expr, Expr], Expr], items: Sequence[Expr]) -> Expr:
    """Return ``combine`` over ``items`` as a tree of logarithmic depth."""
    if len(items) == 1:
        return items[0]
    middle = len(items) // 2
    return combine(_balanced(combine, items[:middle]), _balanced(combine, items[middle:]))


def _pack(values: list[Value]) -> tuple[dict[str, Expr], int]:
    """Place values of constant size: largest first, each at the lowest offset that is free while it lives."""
    placed: list[tuple[int, int, Value]] = []
    places: dict[str, Expr] = {}
    top = 0
    for value in sorted(values, key=_constant_size, reverse=True):
        size = _constant_size(value)
        offset = 0
        for begin, end, other in sorted(placed, key=lambda item: item[0]):
            if value.overlaps(other) and begin < offset + size and offset < end:
                offset = end
        placed.append((offset, offset + size, value))
        places[value.name] = Const(offset)
        top = max(top, offset + size)
    return places, top


def _constant_size(value: Value) -> int:
    assert isinstance(value.size, Const)
    return int(value.size.value)


@dataclass
class Order:
    """Knows which sizes are not larger than which, proven for all values of the symbolic dimensions."""

    analyzer: Analyzer
    points: Sequence[Mapping[Var, int]]
    """Some values of the dimensions; they refute most questions before a proof is tried."""
    known: dict[tuple[Expr, Expr], bool] = field(default_factory=dict[tuple[Expr, Expr], bool])
    sampled: dict[Expr, tuple[int, ...]] = field(default_factory=dict[Expr, "tuple[int, ...]"])

    def samples(self, size: Expr) -> tuple[int, ...]:
        """Return ``size`` at all points."""
        if size not in self.sampled:
            self.sampled[size] = tuple(_number(size, point) for point in self.points)
        return self.sampled[size]

    def fits(self, size: Expr, into: Expr) -> bool:
        """Whether ``size`` is proven to be at most ``into``."""
        key = (size, into)
        if key not in self.known:
            possible = all(a <= b for a, b in zip(self.samples(size), self.samples(into), strict=True))
            self.known[key] = size == into or (possible and self.analyzer.prove(size <= into))
        return self.known[key]


def _number(size: Expr, point: Mapping[Var, int]) -> int:
    """Return ``size`` at ``point``; dimensions that it does not name are 1."""
    unknown = {item: 1 for item in walk(size) if isinstance(item, Var) and item not in point}
    return int(evaluate_expr(size, {**unknown, **point}))


@dataclass
class _Slot:
    """Memory that values use one after the other; it is as large as the largest of ``sizes``."""

    sizes: list[Expr]
    values: list[Value]

    @property
    def size(self) -> Expr:
        return _balanced(maximum, self.sizes)

    def is_free(self, value: Value) -> bool:
        return not any(value.overlaps(other) for other in self.values)

    def take(self, value: Value, order: Order) -> None:
        self.values.append(value)
        if not any(order.fits(value.size, size) for size in self.sizes):
            self.sizes = [size for size in self.sizes if not order.fits(size, value.size)] + [value.size]


def _share(values: list[Value], order: Order) -> list[_Slot]:
    """Give every value a slot: one that bounds it, else one that it bounds, else any that is free, else a new one.

    Values that are large at usual dimensions come first, so that the others find slots that bound them.
    """
    slots: list[_Slot] = []
    for value in sorted(values, key=lambda value: order.samples(value.size)[-1], reverse=True):
        free = [slot for slot in slots if slot.is_free(value)]
        bounding = (slot for slot in free if any(order.fits(value.size, size) for size in slot.sizes))
        bounded = (slot for slot in free if all(order.fits(size, value.size) for size in slot.sizes))
        found = next(bounding, None) or next(bounded, None) or next(iter(free), None)
        if found is None:
            slots.append(_Slot([value.size], [value]))
        else:
            found.take(value, order)
    return slots


def order_of(variables: Iterable[Var], lows: Mapping[str, int]) -> Order:
    """Return the order of sizes, given the least values of the symbolic dimensions (1 where nothing else is said)."""
    analyzer = Analyzer()
    least = {var: lows.get(var.name, 1) for var in sorted(variables, key=lambda item: item.name)}
    for var, low in least.items():
        analyzer = analyzer.assume(var >= low)
    spread = [
        {var: low + (389 * i + 7919 * turn * (i + 1)) % 1009 for i, (var, low) in enumerate(least.items())}
        for turn in range(_POINTS)
    ]
    return Order(analyzer, (least, *spread, {var: low + 63 for var, low in least.items()}))
