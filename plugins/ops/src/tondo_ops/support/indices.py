"""Index maps that several families use."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import INT64, Buffer, Expr, Load, is_const, maximum, minimum, select
from tondo_ops.support.dims import ZERO


def at(buffer: Buffer, index: Sequence[Expr]) -> Load:
    """Return the element ``buffer[index]``; ``index`` may be empty (a scalar)."""
    return Load(buffer, tuple(index))


def broadcast_index(own: Sequence[Expr], index: Sequence[Expr], shape: Sequence[Expr]) -> tuple[Expr, ...]:
    """Return the index into a tensor of shape ``own`` that belongs to ``index`` of a broadcast result of ``shape``.

    A dimension that is stretched is read at 0; one that is not keeps the index, even if its size is 1.
    """
    offset = len(index) - len(own)
    return tuple(
        ZERO if is_const(extent, 1) and not is_const(shape[offset + i], 1) else index[offset + i]
        for i, extent in enumerate(own)
    )


def broadcast_at(buffer: Buffer, index: Sequence[Expr], shape: Sequence[Expr]) -> Load:
    """Return the element of ``buffer`` that belongs to ``index`` of a broadcast result of ``shape``."""
    return Load(buffer, broadcast_index(buffer.shape, index, shape))


def wrapped(position: Expr, extent: Expr) -> Expr:
    """Return a run-time index as int64, counted from the end if it is negative."""
    index = position.astype(INT64)
    if position.dtype.kind == "uint":
        return index
    return select(index < 0, index + extent, index)


def clamped(position: Expr, extent: Expr) -> Expr:
    """Return a run-time index that is safe to read with: wrapped if negative, then clamped to the axis."""
    return maximum(minimum(wrapped(position, extent), extent - 1), 0)


def insert(index: Sequence[Expr], axis: int, value: Expr) -> tuple[Expr, ...]:
    """Return ``index`` with ``value`` inserted as dimension ``axis``."""
    return (*index[:axis], value, *index[axis:])


def replaced(index: Sequence[Expr], axis: int, value: Expr) -> tuple[Expr, ...]:
    """Return ``index`` with dimension ``axis`` replaced by ``value``."""
    return (*index[:axis], value, *index[axis + 1 :])
