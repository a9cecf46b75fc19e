"""``tensor.flatten``: every access has one index, the element's position in memory.

Before::

    B[i, Ramp(j, 1, 16)]  # B: 128 x 64

After::

    B[Ramp(i * 64 + j, 1, 16)]  # B: 8192

Buffers keep dtype, scope and alignment; their shape becomes their number of elements, those in between included where
they have strides. Foreign functions still get tensors of the shapes that they were called with, as views.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from tondo.ir import (
    Allocate,
    Broadcast,
    Buffer,
    Const,
    Expr,
    For,
    Invoke,
    Load,
    Node,
    Ramp,
    Stmt,
    Store,
    TensorFunction,
    View,
    add,
    mul,
    rebuild,
    span_of,
    walk,
)
from tondo_passes.tensor.each import TensorPass
from tondo_passes.tensor.ranges import LoopRanges


@dataclass(frozen=True)
class Flatten(TensorPass):
    """Linearise indices; host functions (which access no elements) keep their shapes."""

    name: ClassVar[str] = "tensor.flatten"

    def apply(self, function: TensorFunction) -> TensorFunction:
        """Return ``function`` with one-dimensional buffers."""
        if function.attrs.get("kind") == "host":
            return function
        body = _visit(function.body, LoopRanges.of(function))
        assert isinstance(body, Stmt)
        body = _with_views(body)
        params = tuple(flat(param) if isinstance(param, Buffer) else param for param in function.params)
        return replace(function, params=params, body=body)


def flat(buffer: Buffer) -> Buffer:
    """Return the one-dimensional buffer of the same memory, from its first to its last element."""
    if buffer.rank == 1 and buffer.strides is None:
        return buffer
    if buffer.strides is not None:
        return replace(buffer, shape=(span_of(buffer.shape, buffer.strides),), strides=None)
    count: Expr = Const(1)
    for extent in buffer.shape:
        count = mul(count, extent)
    return replace(buffer, shape=(count,), strides=None)


def _with_views(body: Stmt) -> Stmt:
    """Return ``body`` with a view around each foreign call for every argument whose memory is flat now."""
    if not any(isinstance(item, Invoke) and item.packed for item in walk(body)):
        return body
    taken = {item.name for item in walk(body) if isinstance(item, Buffer)}

    def visit(value: Node) -> Node:
        if not (isinstance(value, Invoke) and value.packed):
            return rebuild(value, visit)
        views: dict[Buffer, Buffer] = {}
        for arg in value.args:
            if isinstance(arg, Buffer) and flat(arg) is not arg and arg not in views:
                views[arg] = replace(arg, name=_fresh(f"{arg.name}_tensor", taken))
        args = tuple(views.get(arg, arg) if isinstance(arg, Buffer) else arg for arg in value.args)
        result: Stmt = replace(value, args=args)
        for base, view in views.items():
            result = View(view, flat(base), Const(0), result, value.span)
        return result

    result = visit(body)
    assert isinstance(result, Stmt)
    return result


def _fresh(name: str, taken: set[str]) -> str:
    found, number = name, 1
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found


def _visit(value: Node, ranges: LoopRanges) -> Node:
    inner = ranges.enter(value) if isinstance(value, For) else ranges

    def visit(child: Node) -> Node:
        return flat(child) if isinstance(child, Buffer) else _visit(child, inner)

    match value:
        case Load():
            position = _position(value.buffer, tuple(_expr(index, ranges) for index in value.indices), ranges)
            predicate = None if value.predicate is None else _expr(value.predicate, ranges)
            return Load(flat(value.buffer), (position,), predicate, value.span)
        case Store():
            position = _position(value.buffer, tuple(_expr(index, ranges) for index in value.indices), ranges)
            predicate = None if value.predicate is None else _expr(value.predicate, ranges)
            return Store(flat(value.buffer), (position,), _expr(value.value, ranges), predicate, value.span)
        case Invoke(packed=True):
            args = tuple(arg if isinstance(arg, Buffer) else _expr(arg, ranges) for arg in value.args)
            return replace(value, args=args)
        case Allocate() | View() | Invoke():
            return rebuild(value, visit)
        case _:
            return rebuild(value, visit)


def _expr(value: Expr, ranges: LoopRanges) -> Expr:
    result = _visit(value, ranges)
    assert isinstance(result, Expr)
    return result


def _position(buffer: Buffer, indices: tuple[Expr, ...], ranges: LoopRanges) -> Expr:
    """Return the linear index; a single vector index stays a ramp so that contiguous accesses are seen."""
    scalar: Expr = Const(0)
    ramp: Ramp | None = None
    general: list[Expr] = []
    for index, stride in zip(indices, buffer.row_major_strides(), strict=True):
        if index.dtype.lanes == 1:
            scalar = add(scalar, mul(index, stride))
        elif isinstance(index, Broadcast):
            scalar = add(scalar, mul(index.value, stride))
        elif isinstance(index, Ramp):
            scalar = add(scalar, mul(index.base, stride))
            step = mul(index.stride, stride)
            ramp = Ramp(Const(0), step if ramp is None else add(ramp.stride, step), index.lanes)
        else:
            general.append(mul(index, Broadcast(stride, index.dtype.lanes)))
    simplify = ranges.analyzer.simplify
    scalar = simplify(scalar)
    if not general:
        return scalar if ramp is None else Ramp(scalar, simplify(ramp.stride), ramp.lanes)
    lanes = general[0].dtype.lanes
    total: Expr = Broadcast(scalar, lanes) if ramp is None else Ramp(scalar, simplify(ramp.stride), lanes)
    for item in general:
        total = add(total, item)
    return total
