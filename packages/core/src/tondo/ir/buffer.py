"""Buffers: named multi-dimensional memory, and rectangular regions of them."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from tondo.diagnostics.span import Span
from tondo.ir.dtype import FLOAT32, DType
from tondo.ir.expr import Const, Expr, ExprLike, add, as_expr, maximum, mul
from tondo.ir.node import Node, node

if TYPE_CHECKING:
    from collections.abc import Sequence

GLOBAL = "global"
"""Ordinary memory: parameters, arena, heap."""
LOCAL = "local"
"""Memory of one thread that code generation keeps in registers or on the stack; constant size."""
CONSTANT = "constant"
"""Read-only memory filled at load time (weights)."""


@node
class Buffer(Node):
    """A block of memory of ``shape`` elements of ``dtype``.

    ``strides`` count elements and default to row-major. ``scope`` is one of :data:`GLOBAL`, :data:`LOCAL`,
    :data:`CONSTANT` or a scope that a plugin names (``amx.tile``, ``npu.scratchpad``). The name is the identity
    within a function.
    """

    name: str
    shape: tuple[Expr, ...]
    dtype: DType = FLOAT32
    scope: str = GLOBAL
    strides: tuple[Expr, ...] | None = None
    align: int = field(default=0)

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __getitem__(self, indices: ExprLike | tuple[ExprLike, ...]) -> Load:
        """Return the load of one element."""
        items = indices if isinstance(indices, tuple) else (indices,)
        return Load(self, tuple(as_expr(item) for item in items))

    def row_major_strides(self) -> tuple[Expr, ...]:
        """Return the strides in elements, computed from the shape when none are stored."""
        return strides_of(self.shape) if self.strides is None else self.strides


@node
class Load(Expr):
    """Element ``buffer[indices]``. A vector index (Ramp) makes a vector load; with ``predicate`` false lanes give 0."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    predicate: Expr | None = None
    dtype: DType = field(init=False, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Derive the dtype from the buffer and the lanes of the indices."""
        lanes = 1
        for index in self.indices:
            lanes = max(lanes, index.dtype.lanes)
        object.__setattr__(self, "dtype", self.buffer.dtype.with_lanes(lanes))


@node
class Range(Node):
    """The integers ``begin .. begin+extent-1``."""

    begin: Expr
    extent: Expr


@node
class Region(Node):
    """A rectangular part of a buffer, a range per dimension."""

    buffer: Buffer
    ranges: tuple[Range, ...]


def strides_of(shape: Sequence[Expr]) -> tuple[Expr, ...]:
    """Return the strides in elements of a row-major tensor of ``shape``."""
    result: list[Expr] = []
    step: Expr = Const(1)
    for extent in reversed(shape):
        result.append(step)
        step = mul(step, extent)
    return tuple(reversed(result))


def span_of(shape: Sequence[Expr], strides: Sequence[Expr]) -> Expr:
    """Return the number of elements from the first to the last one; anything from 0 on for an empty tensor."""
    total: Expr = Const(1)
    for extent, stride in zip(shape, strides, strict=True):
        total = add(total, mul(add(extent, -1), stride))
    return maximum(total, 0)


def dims(shape: Sequence[ExprLike]) -> tuple[Expr, ...]:
    """Return ``shape`` as a tuple of int64 expressions."""
    return tuple(as_expr(extent) for extent in shape)


def point(buffer: Buffer, indices: Sequence[Expr]) -> Region:
    """Return the region of the single element ``buffer[indices]``."""
    return Region(buffer, tuple(Range(index, Const(1)) for index in indices))


def whole(buffer: Buffer) -> Region:
    """Return the region of the whole buffer."""
    return Region(buffer, tuple(Range(Const(0), extent) for extent in buffer.shape))
