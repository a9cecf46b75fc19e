"""The normal form: any product that the accelerator takes, as one matrix product per batch.

Before (a convolution, see :mod:`tondo_npu.structure`)::

    conv[n, o, y, x] += x[n, c, y + p - 1, x + q - 1] * w[o, c, p, q]      zero outside
    out[n, o, y, x] = max(conv[n, o, y, x] + bias[o], 0)

After, ``m`` standing for ``(n, y, x)``, ``k`` for ``(c, p, q)``, all extents rounded up to tiles::

    left[m, k] = select(m < M and k < K and .., x[m // HW, k // 9, ..], 0)      becomes a LOAD
    right[k, n] = select(.., w[n, k // 9, k % 9 // 3, k % 3], 0)                becomes a LOAD
    sum[m, n] += left[m, k] * right[k, n]                                       becomes MATMULs
    bias_rows[n] = select(n < N, bias[n], 0)                                    becomes a LOAD
    rows[m, n] = max(sum[m, n] + bias_rows[n], 0)                               becomes a VECTOR
    out[m // HW, n, m % HW // W, m % W] = rows[m, n]                            becomes a STORE

The result computes what the function computed, with the interpreter as a witness; it refuses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tondo.arith import Analyzer
from tondo.ir import (
    Allocate,
    Buffer,
    Const,
    Expr,
    IterVar,
    Load,
    Node,
    Select,
    Stmt,
    Store,
    TensorFunction,
    Var,
    add,
    all_of,
    ceildiv,
    floordiv,
    floormod,
    mul,
    nest,
    rewrite,
    seq,
    substitute,
    walk,
)
from tondo_npu.machine import ACCUMULATOR, SCRATCHPAD
from tondo_npu.structure import Product, Source


@dataclass(frozen=True, slots=True)
class Blocking:
    """How much of each axis one block covers: multiples of 16."""

    rows: int
    columns: int
    depth: int


@dataclass(frozen=True, slots=True)
class Normal:
    """The normal form and the names of its stages.

    Attributes:
        function: the function.
        product: the stage of the sum.
        left, right: the stages that bring its operands.
        operands: the stages that bring what follows reads.
        value: the stage that computes the result.
        written: the stage that stores it.
    """

    function: TensorFunction
    product: str
    left: str
    right: str
    operands: tuple[str, ...]
    value: str
    written: str


@dataclass(frozen=True, slots=True)
class _Side:
    """Axes that become one: its name, the extent, and the old axes as digits of it."""

    name: str
    extent: Expr
    padded: Expr
    digits: dict[Var, Expr]

    @property
    def var(self) -> Var:
        return Var(self.name)

    @property
    def tail(self) -> Expr | None:
        """The condition that holds inside, None if there is no padding."""
        return None if self.padded == self.extent else self.var < self.extent


def normal_form(product: Product, blocking: Blocking) -> Normal:
    """Return the normal form of ``product`` with extents rounded up to ``blocking``."""
    return _Builder(product, blocking).build()


class _Builder:
    def __init__(self, product: Product, blocking: Blocking) -> None:
        self._product = product
        self._names = _Names(product.function)
        known = Analyzer()
        self._rows = _side(self._names("m"), product.rows, blocking.rows, known)
        self._columns = _side(self._names("n"), product.columns, blocking.columns, known)
        self._depth = _side(self._names("k"), _by_memory(product), blocking.depth, known)
        self._batch = [_side(self._names(f"b{place}"), (it,), 1, known) for place, it in enumerate(product.batch)]
        self._old = {var: value for side in self._sides for var, value in side.digits.items()}
        ranges = {side.var: (Const(0), side.extent) for side in self._sides}
        self._known = Analyzer(ranges)
        self._stages: list[tuple[Buffer | None, Stmt]] = []

    @property
    def _sides(self) -> tuple[_Side, ...]:
        return (*self._batch, self._rows, self._columns, self._depth)

    def build(self) -> Normal:
        product = self._product
        left = self._copied("left", product.left, (*self._batch, self._rows, self._depth))
        right = self._copied("right", product.right, (*self._batch, self._depth, self._columns))
        brought = self._operands()
        total = self._sum(left, right)
        value = self._value(total, brought)
        operands = tuple(load.buffer.name for load in brought.values())
        written = self._written(value)
        body = seq(*(stmt for _, stmt in self._stages))
        for buffer, _ in reversed(self._stages):
            if buffer is not None:
                body = Allocate(buffer, body)
        function = replace(product.function, body=body)
        return Normal(function, total.name, left.name, right.name, operands, value.name, written)

    # -- stages

    def _copied(self, name: str, source: Source, sides: Sequence[_Side]) -> Buffer:
        """Add the stage that brings ``source`` over ``sides`` to the scratchpad."""
        load = substitute(source.load, self._old)
        used = [condition for item in source.conditions if (condition := self._condition(item)) is not None]
        tails = [side.tail for side in sides if side.tail is not None]
        indices = tuple(self._known.simplify(index) for index in load.indices)
        value: Expr = Load(load.buffer, indices)
        condition = all_of([*tails, *used])
        if condition is not None:
            value = Select(condition, value, Const(0, load.dtype))
        return self._stage(name, sides, value, SCRATCHPAD)

    def _condition(self, condition: Expr) -> Expr | None:
        """Return ``condition`` over the new axes; None where it always holds."""
        changed = self._known.simplify(substitute(condition, self._old))
        return None if self._known.prove(changed) else changed

    def _sum(self, left: Buffer, right: Buffer) -> Buffer:
        spatial = (*self._batch, self._rows, self._columns)
        total = Buffer(self._names("sum"), tuple(side.padded for side in spatial), left.dtype, ACCUMULATOR)
        place = tuple(side.var for side in spatial)
        batch = tuple(side.var for side in self._batch)
        m, n, k = self._rows.var, self._columns.var, self._depth.var
        value = add(Load(total, place), mul(Load(left, (*batch, m, k)), Load(right, (*batch, k, n))))
        iters = [self._iter(side, total.name) for side in spatial]
        iters.append(self._iter(self._depth, total.name, reduces=True))
        names = {side.var: it.var for side, it in zip((*spatial, self._depth), iters, strict=True)}
        body, start = (
            substitute(item, names) for item in (Store(total, place, value), Store(total, place, Const(0, left.dtype)))
        )
        self._stages.append((total, nest(total.name, tuple(iters), body, start)))
        return total

    def _operands(self) -> dict[Load, Load]:
        """Add the stages that bring what follows the sum reads; return what is read instead of each load."""
        product = self._product
        spatial = (*self._batch, self._rows, self._columns)
        brought: dict[Load, Load] = {}
        for load in product.operands:
            used = {item for index in load.indices for item in walk(index) if isinstance(item, Var)}
            sides = [side for side in spatial if used & side.digits.keys()] or [self._columns]
            copy = self._copied(load.buffer.name, Source(load, ()), sides)
            brought[load] = Load(copy, tuple(side.var for side in sides))
        return brought

    def _value(self, total: Buffer, brought: Mapping[Load, Load]) -> Buffer:
        """Add the stage that computes the result."""
        spatial = (*self._batch, self._rows, self._columns)
        known = {**brought, self._product.result: Load(total, tuple(side.var for side in spatial))}

        def change(item: Node) -> Node:
            return known.get(item, item) if isinstance(item, Load) else item

        value = rewrite(self._product.value, change)
        assert isinstance(value, Expr)
        return self._stage("rows", spatial, value, SCRATCHPAD)

    def _written(self, value: Buffer) -> str:
        """Add the stage that stores the result, without the padding."""
        product = self._product
        spatial = (*self._batch, self._rows, self._columns)
        name = self._names(f"{product.output.name}_stored")
        iters = [self._iter(side, name, padded=False) for side in spatial]
        names = {side.var: it.var for side, it in zip(spatial, iters, strict=True)}
        indices = tuple(self._known.simplify(substitute(index, self._old)) for index in product.indices)
        store = Store(product.output, indices, Load(value, tuple(side.var for side in spatial)))
        self._stages.append((None, nest(name, tuple(iters), substitute(store, names))))
        return name

    def _stage(self, name: str, sides: Sequence[_Side], value: Expr, scope: str) -> Buffer:
        buffer = Buffer(self._names(f"{name}_tile"), tuple(side.padded for side in sides), value.dtype, scope)
        iters = [self._iter(side, buffer.name) for side in sides]
        names = {side.var: it.var for side, it in zip(sides, iters, strict=True)}
        store = substitute(Store(buffer, tuple(side.var for side in sides), value), names)
        self._stages.append((buffer, nest(buffer.name, tuple(iters), store)))
        return buffer

    def _iter(self, side: _Side, stage: str, *, reduces: bool = False, padded: bool = True) -> IterVar:
        var, loop = Var(self._names(f"{stage}_{side.name}")), Var(self._names(f"{stage}_{side.name}_l"))
        return IterVar(var, side.padded if padded else side.extent, loop, "reduction" if reduces else "spatial")


def _side(name: str, axes: Sequence[IterVar], block: int, known: Analyzer) -> _Side:
    """Return the axis that ``axes`` become, outermost first."""
    extent = known.simplify(_product([it.extent for it in axes]))
    padded = known.simplify(mul(ceildiv(extent, Const(block)), block)) if block > 1 else extent
    var = Var(name)
    inside = Analyzer({var: (Const(0), extent)})
    digits: dict[Var, Expr] = {}
    for place, it in enumerate(axes):
        number: Expr = floordiv(var, _product([later.extent for later in axes[place + 1 :]]))
        digits[it.var] = inside.simplify(number if place == 0 else floormod(number, it.extent))
    return _Side(name, extent, padded, digits)


def _product(extents: Sequence[Expr]) -> Expr:
    total: Expr = Const(1)
    for extent in extents:
        total = mul(total, extent)
    return total


def _by_memory(product: Product) -> tuple[IterVar, ...]:
    """Return the axes that are summed, those that walk along the memory of the left operand last."""
    load = product.left.load
    strides = load.buffer.row_major_strides()

    def step(it: IterVar) -> float:
        reached = [
            stride for index, stride in zip(load.indices, strides, strict=True) if any(v == it.var for v in walk(index))
        ]
        sizes = [int(stride.value) if isinstance(stride, Const) else 1 << 40 for stride in reached]
        return min(sizes, default=0)

    return tuple(sorted(product.depth, key=step, reverse=True))


class _Names:
    """Gives names that nothing in a function has."""

    def __init__(self, function: TensorFunction) -> None:
        self._taken = {param.name for param in function.params}
        self._taken |= {
            item.name for buffer in function.buffers for e in buffer.shape for item in walk(e) if isinstance(item, Var)
        }

    def __call__(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._taken:
            unique, number = f"{name}_{number}", number + 1
        self._taken.add(unique)
        return unique
