"""Statements as Python closures over a frame."""

from __future__ import annotations

import math

import numpy as np

from tondo.diagnostics import fail
from tondo.interp.axes import AxisRunner, CompiledUpdate, Runner
from tondo.interp.expressions import Evaluator, active, checked_indices, compile_expr
from tondo.interp.frame import Frame
from tondo.interp.nests import plan
from tondo.interp.strided import flat, seen, span
from tondo.interp.values import Value, is_array, poisoned
from tondo.ir import (
    UINT8,
    Allocate,
    Assert,
    Block,
    Buffer,
    Evaluate,
    Expr,
    For,
    If,
    Invoke,
    Let,
    Reserve,
    Seq,
    Stmt,
    Store,
    TensorFunction,
    View,
    While,
    attrs_json,
    walk,
)
from tondo_runtime.packed import adapted
from tondo_runtime.registry import get as registered


def compile_stmt(stmt: Stmt) -> Runner:
    """Return a function that runs ``stmt`` in a frame."""
    match stmt:
        case Store():
            return _store(stmt)
        case Seq():
            return _sequence([compile_stmt(item) for item in stmt.stmts])
        case For():
            return _loop(stmt)
        case Block():
            return _block(stmt)
        case If():
            return _branch(stmt)
        case Let():
            return _let(stmt)
        case Allocate():
            return _allocate(stmt)
        case View():
            return _view(stmt)
        case Reserve():
            return _reserve(stmt)
        case Evaluate():
            value = compile_expr(stmt.value)
            return lambda frame: _ignore(value(frame))
        case While():
            return _while(stmt)
        case Assert():
            return _assert(stmt)
        case Invoke():
            return _invoke(stmt)
        case _:
            msg = f"the interpreter does not know the statement {type(stmt).__name__}"
            raise TypeError(msg)


def _ignore(value: Value) -> None:
    """Drop the value of an expression that is evaluated for its effect."""


def _sequence(items: list[Runner]) -> Runner:
    def run(frame: Frame) -> None:
        for item in items:
            item(frame)

    return run


def _store(stmt: Store) -> Runner:
    buffer, rank = stmt.buffer, len(stmt.indices)
    indices = [compile_expr(index) for index in stmt.indices]
    value = compile_expr(stmt.value)
    predicate = None if stmt.predicate is None else compile_expr(stmt.predicate)

    def run(frame: Frame) -> None:
        outer = mask = frame.mask
        if predicate is not None:
            allowed = predicate(frame)
            if not is_array(allowed) and not allowed:
                return
            mask = active(outer, allowed) if is_array(allowed) else outer
        # Lanes of a vector are computed whether they are stored or not; instances of a loop are not.
        frame.mask = mask if frame.lanes else outer
        try:
            place, element = [index(frame) for index in indices], value(frame)
            frame.mask = mask
            _write(frame, buffer, place, element, rank)
        finally:
            frame.mask = outer

    return run


def _write(frame: Frame, buffer: Buffer, place: list[Value], value: Value, rank: int) -> None:
    memory = frame.memory(buffer)
    if rank != memory.ndim:
        fail("TND-R003", f"{frame.function}: store to '{buffer.name}' with {rank} indices")
    mask = frame.mask
    if memory.size == 0 and mask is not None and not mask.any():
        return
    place = checked_indices(frame, buffer, place, mask, "store to", None)
    if mask is None:
        memory[tuple(place)] = value
        return
    shape = np.broadcast_shapes(mask.shape, np.shape(value), *(np.shape(index) for index in place))
    chosen = np.broadcast_to(mask, shape)
    full = tuple([np.broadcast_to(index, shape)[chosen] for index in place])
    memory[full] = np.broadcast_to(value, shape)[chosen]


def _loop(stmt: For) -> Runner:
    name, body = stmt.var.name, compile_stmt(stmt.body)
    begin, extent = compile_expr(stmt.begin), compile_expr(stmt.extent)
    axes = _axis_runner(stmt)
    starts = _starts_reduction(stmt)

    def run(frame: Frame) -> None:
        if starts and not frame.empty and not frame.lanes and extent(frame) == 0:
            frame.empty, frame.values[name] = True, begin(frame)
            body(frame)
            frame.empty = False
            return
        if axes is not None and not frame.empty and axes.run(frame):
            return
        first, count = begin(frame), extent(frame)
        if is_array(first) or is_array(count):
            _ragged(frame, name, first, count, body)
            return
        for value in range(first, first + count):
            frame.values[name] = value
            body(frame)
        frame.values.pop(name, None)

    return run


def _starts_reduction(stmt: For) -> bool:
    """Whether ``stmt`` is a loop of a reduction; if it makes no step, the result is what the reduction starts with."""
    return any(
        isinstance(item, Block)
        and item.init is not None
        and any(it.kind == "reduction" and stmt.var in set(walk(it.binding)) for it in item.iters)
        for item in walk(stmt.body)
    )


def _axis_runner(stmt: For) -> AxisRunner | None:
    nest = plan(stmt)
    if nest is None:
        return None
    bounds = tuple((compile_expr(loop.begin), compile_expr(loop.extent)) for loop in nest.loops)
    keys = {name: {dim: compile_expr(expr) for dim, expr in key.items()} for name, key in nest.keys.items()}
    update = None if nest.update is None else CompiledUpdate.of(nest.update)
    return AxisRunner(nest, compile_stmt(nest.body), bounds, keys, update)


def _ragged(frame: Frame, name: str, first: Value, count: Value, body: Runner) -> None:
    """Run a loop whose bounds differ between lanes: as long as one is active."""
    outer = frame.mask
    for step in range(int(np.max(count, initial=0))):
        frame.mask = active(outer, step < np.asarray(count))
        if frame.mask.any():
            frame.values[name] = first + step
            body(frame)
    frame.mask = outer


def _block(stmt: Block) -> Runner:
    bindings = [(it.var.name, compile_expr(it.binding)) for it in stmt.iters]
    reduced = [it.var.name for it in stmt.iters if it.kind == "reduction"]
    predicate = None if stmt.predicate is None else compile_expr(stmt.predicate)
    init = None if stmt.init is None else compile_stmt(stmt.init)
    body = compile_stmt(stmt.body)

    def instance(frame: Frame) -> None:
        bound = [(name, binding(frame)) for name, binding in bindings]
        frame.values.update(bound)
        if frame.empty:
            if init is not None and reduced:
                init(frame)
            return
        if init is not None:
            first: Value = True
            for name in reduced:
                first = np.logical_and(first, frame.values[name] == 0)
            _guarded(frame, first, init)
        body(frame)

    def run(frame: Frame) -> None:
        _guarded(frame, True if predicate is None else predicate(frame), instance)

    return run


def _guarded(frame: Frame, condition: Value, action: Runner) -> None:
    """Run ``action`` where ``condition`` holds."""
    if not is_array(condition):
        if condition:
            action(frame)
        return
    outer = frame.mask
    frame.mask = active(outer, condition)
    try:
        if frame.mask.any():
            action(frame)
    finally:
        frame.mask = outer


def _branch(stmt: If) -> Runner:
    condition, then = compile_expr(stmt.condition), compile_stmt(stmt.then)
    orelse = None if stmt.orelse is None else compile_stmt(stmt.orelse)

    def run(frame: Frame) -> None:
        wanted = condition(frame)
        _guarded(frame, wanted, then)
        if orelse is not None:
            _guarded(frame, np.logical_not(wanted) if is_array(wanted) else not wanted, orelse)

    return run


def _let(stmt: Let) -> Runner:
    name, value, body = stmt.var.name, compile_expr(stmt.value), compile_stmt(stmt.body)

    def run(frame: Frame) -> None:
        frame.values[name] = value(frame)
        body(frame)

    return run


def _while(stmt: While) -> Runner:
    condition, body = compile_expr(stmt.condition), compile_stmt(stmt.body)

    def run(frame: Frame) -> None:
        while condition(frame):
            body(frame)

    return run


def _assert(stmt: Assert) -> Runner:
    condition = compile_expr(stmt.condition)

    def run(frame: Frame) -> None:
        if not np.all(condition(frame)):
            fail("TND-R003", f"{frame.function}: {stmt.message}", span=stmt.span)

    return run


def _extents(shape: tuple[Evaluator, ...], frame: Frame) -> tuple[int, ...]:
    return tuple(int(extent(frame)) for extent in shape)


def _allocate(stmt: Allocate) -> Runner:
    buffer, body = stmt.buffer, compile_stmt(stmt.body)
    shape = tuple(compile_expr(extent) for extent in buffer.shape)

    def run(frame: Frame) -> None:
        outer = frame.buffers.get(buffer.name)
        frame.buffers[buffer.name] = poisoned(_extents(shape, frame), buffer.dtype)
        body(frame)
        _restore(frame, buffer.name, outer)

    return run


def _reserve(stmt: Reserve) -> Runner:
    buffer, body, slot = stmt.buffer, compile_stmt(stmt.body), compile_expr(stmt.slot)
    shape = tuple(compile_expr(extent) for extent in buffer.shape)

    def run(frame: Frame) -> None:
        number, extents = int(slot(frame)), _extents(shape, frame)
        memory = _slot_memory(frame, number, math.prod(extents) * buffer.dtype.numpy.itemsize)
        outer = frame.buffers.get(buffer.name)
        frame.buffers[buffer.name] = memory.view(buffer.dtype.numpy).reshape(extents)
        body(frame)
        _restore(frame, buffer.name, outer)

    return run


def _slot_memory(frame: Frame, number: int, size: int) -> np.ndarray:
    """Return the first ``size`` bytes of a slot, which grows if it is smaller."""
    memory = frame.slots.get(number)
    if memory is None or memory.size < size:
        larger = poisoned((size,), UINT8)
        if memory is not None:
            larger[: memory.size] = memory
        memory = frame.slots[number] = larger
    return memory[:size]


def _restore(frame: Frame, name: str, outer: np.ndarray | None) -> None:
    if outer is None:
        del frame.buffers[name]
    else:
        frame.buffers[name] = outer


def _view(stmt: View) -> Runner:
    buffer, base, body = stmt.buffer, stmt.base, compile_stmt(stmt.body)
    offset = compile_expr(stmt.offset)
    shape = tuple(compile_expr(extent) for extent in buffer.shape)
    strides = None if buffer.strides is None else tuple(compile_expr(step) for step in buffer.strides)

    def run(frame: Frame) -> None:
        memory = frame.memory(base)
        if not memory.flags.c_contiguous and base.strides is None:
            fail("TND-R003", f"{frame.function}: view '{buffer.name}' of '{base.name}', which is not contiguous")
        raw = flat(memory).view(np.uint8)
        begin, extents, item = int(offset(frame)), _extents(shape, frame), buffer.dtype.numpy.itemsize
        steps = _row_major(extents) if strides is None else _extents(strides, frame)
        size = item * span(extents, steps)
        if begin < 0 or begin + size > raw.size:
            fail(
                "TND-R003",
                f"{frame.function}: view '{buffer.name}' of bytes {begin}..{begin + size} is outside of '{base.name}' "
                f"({raw.size} bytes)",
                span=stmt.span,
            )
        outer = frame.buffers.get(buffer.name)
        frame.buffers[buffer.name] = seen(raw[begin : begin + size].view(buffer.dtype.numpy), extents, steps)
        body(frame)
        _restore(frame, buffer.name, outer)

    return run


def _row_major(extents: tuple[int, ...]) -> tuple[int, ...]:
    steps: list[int] = []
    step = 1
    for extent in reversed(extents):
        steps.append(step)
        step *= extent
    return tuple(reversed(steps))


def _invoke(stmt: Invoke) -> Runner:
    args: list[Buffer | Evaluator] = [compile_expr(arg) if isinstance(arg, Expr) else arg for arg in stmt.args]

    def run(frame: Frame) -> None:
        values = [frame.memory(arg) if isinstance(arg, Buffer) else arg(frame) for arg in args]
        if stmt.packed and stmt.attrs:
            call = adapted(stmt.callee, registered(stmt.callee), lambda slot, size: _slot_memory(frame, slot, size))
            call(*values, attrs_json(stmt.attrs))
            return
        if stmt.packed:
            registered(stmt.callee)(*values)
            return
        callee = None if frame.module is None else frame.module.functions.get(stmt.callee)
        if not isinstance(callee, TensorFunction):
            fail("TND-R003", f"{frame.function}: no tensor function '{stmt.callee}' to invoke", span=stmt.span)
        if len(values) != len(callee.params):
            fail(
                "TND-R003", f"{frame.function}: '{stmt.callee}' takes {len(callee.params)} arguments, not {len(values)}"
            )
        execute(callee, values, frame)

    return run


def execute(function: TensorFunction, values: list[Value], caller: Frame) -> None:
    """Run ``function`` on arguments in the order of its parameters; the frame of the caller gives the module.

    As in compiled code a buffer is passed as memory: the callee may see the same elements in another shape.
    """
    frame = Frame(function.name, caller.module)
    frame.values.update(
        (param.name, value)
        for param, value in zip(function.params, values, strict=True)
        if not isinstance(param, Buffer)
    )
    for param, value in zip(function.params, values, strict=True):
        if isinstance(param, Buffer):
            shape = _extents(tuple(compile_expr(extent) for extent in param.shape), frame)
            fitting = reshaped(value, shape) if param.strides is None else _apart(value, param, shape, frame)
            if fitting is None or fitting.dtype != param.dtype.numpy:
                fail(
                    "TND-R003",
                    f"{caller.function}: '{function.name}' takes {param.dtype} {shape} as '{param.name}', "
                    f"{value.dtype} {value.shape} is given",
                )
            frame.buffers[param.name] = fitting
    program(function)(frame)


def _apart(memory: np.ndarray, param: Buffer, shape: tuple[int, ...], frame: Frame) -> np.ndarray | None:
    """Return the elements of ``param``, which lie apart in ``memory``; None if it is not the memory of their span."""
    assert param.strides is not None
    steps = _extents(tuple(compile_expr(step) for step in param.strides), frame)
    fits = memory.ndim == 1 and memory.flags.c_contiguous and memory.size == span(shape, steps)
    return seen(memory, shape, steps) if fits else None


def reshaped(memory: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the same memory in another shape; None if that is not possible without a copy."""
    if memory.shape == shape:
        return memory
    if memory.size != int(np.prod(shape, dtype=np.int64)) or not memory.flags.c_contiguous:
        return None
    return memory.reshape(shape)


_programs: dict[TensorFunction, Runner] = {}
_MAX_PROGRAMS = 512


def program(function: TensorFunction) -> Runner:
    """Return the compiled body of ``function``; compiled once."""
    found = _programs.get(function)
    if found is None:
        if len(_programs) >= _MAX_PROGRAMS:
            _programs.clear()
        found = compile_stmt(function.body)
        _programs[function] = found
    return found
