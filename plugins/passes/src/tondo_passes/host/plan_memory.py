"""``host.plan_memory``: every intermediate tensor gets a place in one arena; memory is reused when its value is dead.

After the pass the attribute ``memory`` of each graph function holds ``places`` (pairs of a value's name and its byte
offset) and ``workspace`` (the size of the arena in bytes); both are expressions over the symbolic dimensions. The
scratch buffers of a kernel (see ``tensor.lift_workspace``) are planned like values that live during one call, under
the names that :func:`scratch_name` gives.

Values of constant size are packed by offset (largest first, lowest free gap). Values of symbolic size share slots
behind them: a slot is as large as the largest of its values; a value prefers a slot whose size provably bounds its own.
Offsets and sizes are balanced trees, however many slots there are: readers of these expressions may limit their depth.
Refuses (TND-B004) values that are no tensors of known rank.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final

from tondo.arith import Analyzer
from tondo.diagnostics import fail
from tondo.interp.expressions import evaluate_expr
from tondo.ir import (
    Attrs,
    Binding,
    Buffer,
    CallDps,
    Const,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    MatchShape,
    Reinterpret,
    TensorFunction,
    TensorType,
    Var,
    add,
    floordiv,
    maximum,
    mul,
    substitute,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tondo.passes import PassContext

ALIGNMENT: Final = 64
_POINTS: Final = 8


@dataclass(frozen=True)
class PlanMemory:
    """Plan the arena of every graph function."""

    name: ClassVar[str] = "host.plan_memory"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"planned"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with the attribute ``memory`` on its graph functions."""
        lows = {name: low for name, (low, _) in context.dimensions.items()}
        return module.with_functions(_plan(function, module, lows) for function in module.graph_functions())


@dataclass(frozen=True, slots=True)
class _Value:
    """Something that needs memory from its ``first`` to its ``last`` use (positions of bindings, inclusive)."""

    name: str
    size: Expr
    first: int
    last: int

    def overlaps(self, other: _Value) -> bool:
        return self.first <= other.last and other.first <= self.last


def scratch_name(binding: Binding, index: int) -> str:
    """Return the name under which the ``index``-th scratch buffer of a call is planned."""
    return f"{binding.vars[0].name}.scratch{index}"


def scratch_buffers(function: TensorFunction) -> tuple[Buffer, ...]:
    """Return the trailing parameters of ``function`` that are scratch memory."""
    count = function.attrs.get("workspace", 0)
    return function.buffers[len(function.buffers) - int(str(count)) :] if count else ()


def byte_size(shape: Iterable[Expr], width: int) -> Expr:
    """Return the bytes of a tensor, rounded up to the alignment."""
    total: Expr = Const(width)
    for extent in shape:
        total = mul(total, extent)
    return mul(floordiv(add(total, ALIGNMENT - 1), ALIGNMENT), ALIGNMENT)


def _plan(function: GraphFunction, module: IRModule, lows: Mapping[str, int]) -> GraphFunction:
    values = _values(function, module)
    static = [value for value in values if isinstance(value.size, Const)]
    symbolic = [value for value in values if not isinstance(value.size, Const)]
    places, used = _pack(static)
    slots = _share(symbolic, _order(function, lows))
    offsets = _prefix_sums([Const(used), *(slot.size for slot in slots)])
    for slot, offset in zip(slots, offsets[1:], strict=False):
        places.update({value.name: offset for value in slot.values})
    memory = Attrs(places=tuple(places.items()), workspace=offsets[-1])
    return replace(function, attrs=function.attrs.with_(memory=memory))


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


def _values(function: GraphFunction, module: IRModule) -> list[_Value]:
    results = {atom for atom in function.results if isinstance(atom, GraphVar)}
    root = aliases(function)
    last: dict[GraphVar, int] = {}
    for position, binding in enumerate(function.bindings):
        for item in walk(binding.operation):
            if isinstance(item, GraphVar):
                last[root.get(item, item)] = position
    values: list[_Value] = []
    for position, binding in enumerate(function.bindings):
        if not isinstance(binding.operation, (MatchShape, Reinterpret)):
            values.extend(
                _Value(var.name, _size(binding, var), position, last.get(var, position))
                for var in binding.vars
                if var not in results
            )
        if isinstance(binding.operation, CallDps):
            values.extend(_scratch(binding, binding.operation, module, position))
    return values


def _size(binding: Binding, var: GraphVar) -> Expr:
    if isinstance(var.type, TensorType) and var.type.shape is not None:
        return byte_size(var.type.shape, var.type.dtype.bytes)
    return fail(
        "TND-B004",
        f"'{var.name}' is not a tensor of known rank, so that its memory cannot be planned",
        notes=[] if binding.source is None else [f"it comes from {binding.source}"],
    )


def _scratch(binding: Binding, call: CallDps, module: IRModule, position: int) -> list[_Value]:
    callee = module.tensor(call.function)
    scalars: dict[Var, Expr] = dict(zip(callee.scalars, call.scalars, strict=True))
    return [
        _Value(
            scratch_name(binding, i),
            byte_size(_evaluated(buffer.shape, scalars), buffer.dtype.bytes),
            position,
            position,
        )
        for i, buffer in enumerate(scratch_buffers(callee))
    ]


def _evaluated(shape: tuple[Expr, ...], scalars: dict[Var, Expr]) -> list[Expr]:
    from_callee = Analyzer()
    return [from_callee.simplify(substitute(extent, scalars)) for extent in shape]


def aliases(function: GraphFunction) -> dict[GraphVar, GraphVar]:
    """Return, for values that only rename another (shape matches, views), the value whose memory they use."""
    root: dict[GraphVar, GraphVar] = {}
    for binding in function.bindings:
        operation = binding.operation
        if isinstance(operation, (MatchShape, Reinterpret)) and isinstance(operation.arg, GraphVar):
            root[binding.var] = root.get(operation.arg, operation.arg)
    return root


def _pack(values: list[_Value]) -> tuple[dict[str, Expr], int]:
    """Place values of constant size: largest first, each at the lowest offset that is free while it lives."""
    placed: list[tuple[int, int, _Value]] = []
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


def _constant_size(value: _Value) -> int:
    assert isinstance(value.size, Const)
    return int(value.size.value)


@dataclass
class _Order:
    """Knows which sizes are not larger than which, proven for all values of the symbolic dimensions."""

    analyzer: Analyzer
    points: Sequence[Mapping[Var, int]]
    """Some values of the dimensions; they refute most questions before a proof is tried."""
    known: dict[tuple[Expr, Expr], bool] = field(default_factory=dict[tuple[Expr, Expr], bool])
    sampled: dict[Expr, tuple[int, ...]] = field(default_factory=dict[Expr, "tuple[int, ...]"])

    def samples(self, size: Expr) -> tuple[int, ...]:
        if size not in self.sampled:
            self.sampled[size] = tuple(_number(size, point) for point in self.points)
        return self.sampled[size]

    def fits(self, size: Expr, into: Expr) -> bool:
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
    values: list[_Value]

    @property
    def size(self) -> Expr:
        return _balanced(maximum, self.sizes)

    def is_free(self, value: _Value) -> bool:
        return not any(value.overlaps(other) for other in self.values)

    def take(self, value: _Value, order: _Order) -> None:
        self.values.append(value)
        if not any(order.fits(value.size, size) for size in self.sizes):
            self.sizes = [size for size in self.sizes if not order.fits(size, value.size)] + [value.size]


def _share(values: list[_Value], order: _Order) -> list[_Slot]:
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


def _order(function: GraphFunction, lows: Mapping[str, int]) -> _Order:
    """Return the order of sizes, given the least values of the symbolic dimensions (1 where nothing else is said)."""
    analyzer = Analyzer()
    names = {item for param in function.params for item in walk(param.type) if isinstance(item, Var)}
    variables = sorted(names, key=lambda item: item.name)
    least = {var: lows.get(var.name, 1) for var in variables}
    for var, low in least.items():
        analyzer = analyzer.assume(var >= low)
    spread = [
        {var: low + (389 * i + 7919 * turn * (i + 1)) % 1009 for i, (var, low) in enumerate(least.items())}
        for turn in range(_POINTS)
    ]
    return _Order(analyzer, (least, *spread, {var: low + 63 for var, low in least.items()}))
