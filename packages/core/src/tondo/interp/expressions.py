"""Scalar and vector expressions as Python closures over a frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from tondo.diagnostics import fail
from tondo.interp.arithmetic import binary_function, compare_function, convert, unary_function
from tondo.interp.frame import Frame
from tondo.interp.intrinsics import intrinsic
from tondo.interp.values import Value, choose, constant, is_array, plain
from tondo.ir import (
    Binary,
    Broadcast,
    Buffer,
    Cast,
    Compare,
    Const,
    Expr,
    Intrin,
    Load,
    Ramp,
    Select,
    Unary,
    Var,
)

Evaluator: TypeAlias = Callable[[Frame], Value]


def compile_expr(expr: Expr) -> Evaluator:
    """Return a function that evaluates ``expr`` in a frame."""
    match expr:
        case Const():
            literal = constant(expr.value, expr.dtype)
            return lambda _: literal
        case Var():
            return _variable(expr)
        case Binary():
            return _apply(binary_function(expr.op, expr.dtype), compile_expr(expr.a), compile_expr(expr.b))
        case Compare():
            return _apply(compare_function(expr.op), compile_expr(expr.a), compile_expr(expr.b))
        case Unary():
            function, operand = unary_function(expr.op, expr.dtype), compile_expr(expr.a)
            return lambda frame: function(operand(frame))
        case Cast():
            source, target, operand = expr.a.dtype, expr.dtype, compile_expr(expr.a)
            return lambda frame: convert(operand(frame), source, target)
        case Select():
            return _select(expr)
        case Load():
            return _load(expr)
        case Intrin():
            call = intrinsic(expr)
            if expr.name == "prefetch":
                return lambda _: 0
            args = [compile_expr(arg) for arg in expr.args]
            return lambda frame: call(*[arg(frame) for arg in args])
        case Ramp():
            base, stride = compile_expr(expr.base), compile_expr(expr.stride)
            steps = np.arange(expr.lanes).astype(expr.base.dtype.numpy)
            return lambda frame: base(frame) + steps * stride(frame)
        case Broadcast():
            value, lanes, numpy_type = compile_expr(expr.value), expr.lanes, expr.value.dtype.numpy
            return lambda frame: np.full(lanes, value(frame), numpy_type)
        case _:
            msg = f"the interpreter does not know the expression {type(expr).__name__}"
            raise TypeError(msg)


def _variable(expr: Var) -> Evaluator:
    name = expr.name

    def read(frame: Frame) -> Value:
        try:
            return frame.values[name]
        except KeyError:
            fail("TND-R003", f"{frame.function}: the variable '{name}' has no value here", span=expr.span)

    return read


def _apply(function: Callable[[Value, Value], Value], a: Evaluator, b: Evaluator) -> Evaluator:
    return lambda frame: function(a(frame), b(frame))


def _select(expr: Select) -> Evaluator:
    condition, on_true, on_false = compile_expr(expr.condition), compile_expr(expr.a), compile_expr(expr.b)

    def pick(frame: Frame) -> Value:
        wanted = condition(frame)
        if not is_array(wanted):
            return on_true(frame) if wanted else on_false(frame)
        outer = frame.mask
        try:
            frame.mask = active(outer, wanted)
            first = on_true(frame) if frame.mask.any() else None
            frame.mask = active(outer, np.logical_not(wanted))
            second = on_false(frame) if frame.mask.any() else None
        finally:
            frame.mask = outer
        if first is None or second is None:
            return second if first is None and second is not None else first if first is not None else on_nothing
        return choose(wanted, first, second)

    on_nothing = constant(0, expr.dtype.element)
    return pick


def active(mask: np.ndarray | None, condition: Value) -> np.ndarray:
    """Return the instances of ``mask`` for which ``condition`` holds too."""
    return np.asarray(condition) if mask is None else mask & condition


def checked_indices(
    frame: Frame, buffer: Buffer, indices: list[Value], mask: np.ndarray | None, what: str, expr: Load | None
) -> list[Value]:
    """Return indices within the buffer: instances that ``mask`` leaves out are clamped.

    Raises:
        TondoError: TND-R003 if an active instance is outside.
    """
    shape = frame.memory(buffer).shape
    span = expr.span if expr is not None else None
    result: list[Value] = []
    for axis, index in enumerate(indices):
        extent = shape[axis]
        if not is_array(index):
            inside = 0 <= index < extent
            if not inside and (mask is None or mask.any()):
                frame.out_of_bounds(what, buffer, indices, span)
            result.append(index if inside else 0)
            continue
        if index.size == 0 or (int(index.min()) >= 0 and int(index.max()) < extent):
            result.append(index)
            continue
        wrong = (index < 0) | (index >= extent)
        bad = wrong if mask is None else wrong & mask
        if bad.any():
            place = _first_wrong(indices, bad)
            frame.out_of_bounds(what, buffer, place, span)
        result.append(np.where(wrong, 0, index))
    return result


def _first_wrong(indices: list[Value], bad: np.ndarray) -> list[object]:
    arrays = np.broadcast_arrays(bad, *indices)
    return [array[arrays[0]].flat[0] for array in arrays[1:]]


def _load(expr: Load) -> Evaluator:
    buffer, name, element = expr.buffer, expr.buffer.name, expr.buffer.dtype
    indices = [compile_expr(index) for index in expr.indices]
    predicate = None if expr.predicate is None else compile_expr(expr.predicate)
    zero = constant(0, element)

    def load(frame: Frame) -> Value:
        mask = frame.mask
        allowed: Value = None
        if predicate is not None:
            allowed = predicate(frame)
            if not is_array(allowed) and not allowed:
                return zero if expr.dtype.lanes == 1 else np.full(expr.dtype.lanes, zero, element.numpy)
            mask = active(mask, allowed) if is_array(allowed) else mask
        place = [index(frame) for index in indices]
        memory = frame.buffers.get(name)
        if memory is None or len(place) != memory.ndim:
            fail("TND-R003", f"{frame.function}: load of '{name}' with {len(place)} indices", span=expr.span)
        if memory.size == 0 and mask is not None and not mask.any():
            return zero
        place = checked_indices(frame, buffer, place, mask, "load of", expr)
        value = memory[tuple(place)]
        if not is_array(value):
            value = plain(value, element)
        return np.where(allowed, value, zero).astype(element.numpy) if is_array(allowed) else value

    return load


def evaluate_expr(expr: Expr, env: Mapping[Var, Value], buffers: Mapping[Buffer, np.ndarray] | None = None) -> Value:
    """Return the value of ``expr``.

    Args:
        expr: any expression.
        env: numbers (or arrays that broadcast against each other) per variable.
        buffers: memory of the buffers it loads from.

    Returns:
        A Python number (int64, bool) or a numpy scalar or array in the exact dtype; vectors as arrays of lanes.
    """
    frame = Frame("<expression>")
    frame.values = {var.name: value for var, value in env.items()}
    frame.buffers = {buffer.name: memory for buffer, memory in (buffers or {}).items()}
    with np.errstate(all="ignore"):
        return compile_expr(expr)(frame)
