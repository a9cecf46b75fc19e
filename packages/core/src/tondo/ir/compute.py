"""Compute-style builder: write a tensor function as shapes, index functions and reductions.

    b = Compute("scale_add")
    x = b.input("x", TensorType(dims((n, 64)), FLOAT32))
    y = b.input("y", TensorType(dims((64,)), FLOAT32))
    z = b.compute("z", (n, 64), lambda i, j: x[i, j] * 2.0 + y[j])
    s = b.reduce("s", (n,), (64,), lambda i, k: z[i, k], "sum")
    function = b.build(s)

makes one block in one loop nest per stage, in order; stages that are not results become local allocations of the
function (scope ``global``), which fusion and scheduling may move or inline.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Final, Literal

from tondo.ir.attrs import EMPTY, Attrs
from tondo.ir.buffer import Buffer, Load, Range, Region, dims
from tondo.ir.dtype import DType
from tondo.ir.expr import Binary, Const, Expr, ExprLike, Var, add, as_expr, const, logical_and, logical_or, mul
from tondo.ir.function import TensorFunction
from tondo.ir.node import Node, walk
from tondo.ir.stmt import Allocate, Block, For, IterVar, Let, Stmt, Store, seq
from tondo.ir.types import TensorType
from tondo.ir.visit import rename

Combiner = Literal["sum", "prod", "max", "min", "and", "or"]

_COMBINE: Final[dict[str, Callable[[Expr, Expr], Expr]]] = {
    "sum": add,
    "prod": mul,
    "max": lambda acc, value: Binary("max", acc, value),
    "min": lambda acc, value: Binary("min", acc, value),
    "and": logical_and,
    "or": logical_or,
}


def identity(combiner: Combiner, dtype: DType) -> Const:
    """Return the neutral element of ``combiner`` for ``dtype``."""
    if combiner in {"sum", "prod"}:
        return const(0 if combiner == "sum" else 1, dtype)
    if combiner in {"and", "or"}:
        return const(combiner == "and", dtype)
    low = combiner == "max"
    if dtype.is_float:
        return const(float("-inf") if low else float("inf"), dtype)
    if dtype.is_bool:
        return const(not low, dtype)
    if dtype.kind == "uint":
        return const(0 if low else (1 << dtype.bits) - 1, dtype)
    return const(-(1 << (dtype.bits - 1)) if low else (1 << (dtype.bits - 1)) - 1, dtype)


class Compute:
    """Collects inputs and stages and builds a tensor function of them."""

    def __init__(self, name: str, attrs: Attrs = EMPTY) -> None:
        """Start a function called ``name``."""
        self._name = name
        self._attrs = attrs
        self._inputs: list[Buffer] = []
        self._stages: list[tuple[Buffer, Stmt]] = []
        self._names: set[str] = set()
        self._symbols: set[str] = set()

    def input(self, name: str, type: TensorType) -> Buffer:
        """Add an input buffer of a known rank and return it."""
        self._know(type.dims)
        buffer = Buffer(self._fresh(name), type.dims, type.dtype)
        self._inputs.append(buffer)
        return buffer

    def compute(
        self, name: str, shape: Sequence[ExprLike], value: Callable[..., Expr], dtype: DType | None = None
    ) -> Buffer:
        """Add a stage ``name[i, j, ...] = value(i, j, ...)`` over ``shape`` and return its buffer.

        ``value`` gets one index expression per dimension. ``dtype`` defaults to that of the value.
        """
        return self._stage(name, dims(shape), (), value, None, dtype)

    def reduce(
        self,
        name: str,
        shape: Sequence[ExprLike],
        over: Sequence[ExprLike],
        value: Callable[..., Expr],
        combiner: Combiner = "sum",
        dtype: DType | None = None,
        init: Expr | None = None,
    ) -> Buffer:
        """Add a reduction of ``value(*spatial, *reduced)`` over the extents ``over`` and return its buffer.

        ``init`` replaces the neutral element of the combiner.
        """
        return self._stage(name, dims(shape), dims(over), value, combiner, dtype, init)

    def build(self, *results: Buffer) -> TensorFunction:
        """Return the function; ``results`` become its output parameters, in order."""
        body = seq(*(stmt for _, stmt in self._stages))
        for buffer, _ in reversed(self._stages):
            if buffer not in results:
                body = Allocate(buffer, body)
        free = free_vars(body, (*self._inputs, *results))
        made = TensorFunction(self._name, (*free, *self._inputs, *results), body, len(results), self._attrs)
        if self._names.isdisjoint(self._symbols):
            return made
        # A dimension that came to be known after an input of its name.
        self._names = set(self._symbols)
        return rename(made, self._fresh)

    def _know(self, shape: Sequence[Expr]) -> None:
        """Take note of the dimension variables of ``shape``, whose names nothing else may have."""
        self._symbols.update(item.name for extent in shape for item in walk(extent) if isinstance(item, Var))

    def _fresh(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._names or self._is_symbol(unique):
            unique, number = f"{name}_{number}", number + 1
        self._names.add(unique)
        return unique

    def _is_symbol(self, name: str) -> bool:
        """Whether ``name``, or the name of a loop of a stage called ``name``, is that of a dimension."""
        return any(symbol == name or symbol.startswith(f"{name}_") for symbol in self._symbols)

    def _stage(
        self,
        name: str,
        shape: tuple[Expr, ...],
        over: tuple[Expr, ...],
        value: Callable[..., Expr],
        combiner: Combiner | None,
        dtype: DType | None,
        init: Expr | None = None,
    ) -> Buffer:
        self._know((*shape, *over))
        unique = self._fresh(name)
        spatial = [IterVar(Var(f"{unique}_{i}"), extent, Var(f"{unique}_l{i}")) for i, extent in enumerate(shape)]
        reduced = [
            IterVar(Var(f"{unique}_r{i}"), extent, Var(f"{unique}_k{i}"), "reduction") for i, extent in enumerate(over)
        ]
        _check_arity(value, len(spatial) + len(reduced), unique)
        element = as_expr(value(*(it.var for it in spatial), *(it.var for it in reduced)))
        element = element if dtype is None else element.astype(dtype)
        buffer = Buffer(unique, shape, element.dtype)
        indices = tuple(it.var for it in spatial)
        start: Stmt | None = None
        if combiner is not None:
            start = Store(buffer, indices, init if init is not None else identity(combiner, element.dtype))
            element = _COMBINE[combiner](Load(buffer, indices), element)
        stmt = nest(unique, (*spatial, *reduced), Store(buffer, indices, element), start)
        self._stages.append((buffer, stmt))
        return buffer


def nest(name: str, iters: tuple[IterVar, ...], body: Stmt, init: Stmt | None = None, attrs: Attrs = EMPTY) -> Stmt:
    """Return serial loops, one per iteration variable (bound to the loop variable), around a block of ``body``."""
    reads, writes = point_regions(body)
    stmt: Stmt = Block(name, iters, reads, writes, body, init, None, attrs)
    for it in reversed(iters):
        if not isinstance(it.binding, Var):
            msg = f"block '{name}': the binding of '{it.var.name}' is not a loop variable"
            raise TypeError(msg)
        stmt = For(it.binding, Const(0), it.extent, stmt)
    return stmt


def point_regions(body: Stmt) -> tuple[tuple[Region, ...], tuple[Region, ...]]:
    """Return the regions that the loads and stores of ``body`` touch, a point each, without repetition.

    A buffer that is written is left out of the reads where it is read at the written point only (an update).
    """
    reads: dict[Region, None] = {}
    writes: dict[Region, None] = {}
    for item in walk(body):
        if isinstance(item, Load):
            reads[_point(item.buffer, item.indices)] = None
        elif isinstance(item, Store):
            writes[_point(item.buffer, item.indices)] = None
    return tuple(region for region in reads if region not in writes), tuple(writes)


def _point(buffer: Buffer, indices: tuple[Expr, ...]) -> Region:
    return Region(buffer, tuple(Range(index, Const(1)) for index in indices))


def free_vars(body: Stmt, buffers: Sequence[Buffer]) -> tuple[Var, ...]:
    """Return the variables of ``body`` and of the shapes of ``buffers`` that nothing in the body binds, by name."""
    bound: set[Var] = set()
    used: set[Var] = set()
    roots: list[Node] = [body, *buffers]
    for root in roots:
        for item in walk(root):
            if isinstance(item, Var):
                used.add(item)
            elif isinstance(item, (For, IterVar, Let)):
                bound.add(item.var)
    return tuple(sorted(used - bound, key=lambda var: var.name))


def _check_arity(value: Callable[..., Expr], count: int, name: str) -> None:
    params = inspect.signature(value).parameters.values()
    if any(param.kind is inspect.Parameter.VAR_POSITIONAL for param in params):
        return
    if len(params) != count:
        msg = f"stage '{name}' has {count} iteration variables, its function takes {len(params)}"
        raise TypeError(msg)
