"""Loads and stores: the instruction that fits the lanes of the index.

Lanes that lie side by side become one vector access; lanes at the same place a scalar access and a splat; lanes a few
places apart one wider load and a shuffle; lanes of a local buffer one scalar access each, so that the buffer can live
in registers; everything else gathers and scatters. A predicate (of the access itself, or
the mask of a Select around) makes masked forms; a scalar one a branch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tondo.diagnostics import fail
from tondo.ir import BOOL, LOCAL, DType, Expr, Load, Store
from tondo_llvm.emit.address import Place, address, place_of, pointer_at
from tondo_llvm.emit.form import Linear
from tondo_llvm.emit.frame import Frame, Slot
from tondo_llvm.emit.linear import splat
from tondo_llvm.emit.types import Operand, memory_type, register_type, zero

_MAX_SHUFFLE_STEP: Final = 4
_ALL: Final = "splat (i1 1)"


def load(frame: Frame, expr: Load) -> Operand:
    """Write a load and return its value (of the register type)."""
    buffer, dtype = expr.buffer, expr.dtype
    if dtype.lanes == 1:
        return _load_scalar(frame, expr)
    slot = frame.slot(buffer)
    place = place_of(frame, buffer, expr.indices, dtype.lanes)
    mask = _mask(frame, expr.predicate, dtype.lanes)
    if place.step == 0:
        return _load_same(frame, slot, dtype, place.base, mask)
    if place.step == 1:
        pointer, align = pointer_at(frame, slot, place.base)
        raw = (
            _plain_load(frame, pointer, align, dtype)
            if mask is None
            else _masked_load(frame, pointer, align, dtype, mask)
        )
        return _from_memory(frame, raw, dtype)
    if buffer.scope == LOCAL and place.step is not None and mask is None:
        return _load_lanes(frame, slot, dtype, place.base, place.step)
    if place.step is not None and 1 < abs(place.step) <= _MAX_SHUFFLE_STEP and mask is None:
        return _load_strided(frame, slot, dtype, place.base, place.step)
    if place.step == -1 and mask is None:
        return _load_strided(frame, slot, dtype, place.base, -1)
    return _gather(frame, slot, dtype, place, mask)


def store(frame: Frame, stmt: Store) -> None:
    """Write a store."""
    buffer = stmt.buffer
    lanes = max([stmt.value.dtype.lanes, *(index.dtype.lanes for index in stmt.indices)])
    dtype = buffer.dtype.element.with_lanes(lanes)
    if stmt.value.dtype.element != buffer.dtype.element:
        fail(
            "TND-B004", f"a value of {stmt.value.dtype} is stored to '{buffer.name}' of {buffer.dtype}", span=stmt.span
        )
    if lanes == 1:
        _store_scalar(frame, stmt)
        return
    slot = frame.slot(buffer)
    value = frame.value(stmt.value)
    if stmt.value.dtype.lanes == 1:
        value = splat(frame, value, register_type(dtype.element), lanes)
    place = place_of(frame, buffer, stmt.indices, lanes)
    mask = _mask(frame, stmt.predicate, lanes)
    raw = _to_memory(frame, value, dtype)
    if place.step == 1:
        pointer, align = pointer_at(frame, slot, place.base)
        if mask is None:
            frame.out.do(f"store {memory_type(dtype)} {raw}, ptr {pointer}, align {align}")
        else:
            _masked_store(frame, raw, pointer, align, dtype, mask)
        return
    if buffer.scope == LOCAL and place.step is not None and place.step != 0 and mask is None:
        _store_lanes(frame, slot, dtype, raw, place.base, place.step)
        return
    _scatter(frame, slot, dtype, raw, place, mask)


# ------------------------------------------------------------------------------------------------ values in memory


def _from_memory(frame: Frame, raw: Operand, dtype: DType) -> Operand:
    inside, outside = register_type(dtype), memory_type(dtype)
    if inside == outside:
        return raw
    if dtype.is_bool:
        return frame.out.pure(f"icmp ne {outside} {raw}, {'0' if dtype.lanes == 1 else 'zeroinitializer'}", "flag")
    return frame.out.pure(f"trunc {outside} {raw} to {inside}", "narrow")


def _to_memory(frame: Frame, value: Operand, dtype: DType) -> Operand:
    inside, outside = register_type(dtype), memory_type(dtype)
    if inside == outside:
        return value
    if isinstance(value, int):
        return value & ((1 << dtype.bits) - 1)
    return frame.out.pure(f"zext {inside} {value} to {outside}", "byte")


def _plain_load(frame: Frame, pointer: str, align: int, dtype: DType) -> str:
    return frame.out.value(f"load {memory_type(dtype)}, ptr {pointer}, align {align}", "load")


def _load_scalar(frame: Frame, expr: Load) -> Operand:
    condition: Operand = 1 if expr.predicate is None else frame.value(expr.predicate)
    if frame.mask is not None:
        some = _some(frame, frame.mask, frame.mask_lanes)
        condition = some if condition == 1 else frame.out.pure(f"and i1 {condition}, {some}", "some")

    def read() -> Operand:
        with frame.masked(None):
            pointer, align = address(frame, expr.buffer, expr.indices)
        return _from_memory(frame, _plain_load(frame, pointer, align, expr.dtype), expr.dtype)

    return _guarded(frame, condition, read, expr.dtype)


def _load_same(frame: Frame, slot: Slot, dtype: DType, base: Linear, mask: Operand | None) -> Operand:
    """All lanes read the same element: load it once, if any lane wants it."""
    element = dtype.element

    def read() -> Operand:
        pointer, align = pointer_at(frame, slot, base)
        return _from_memory(frame, _plain_load(frame, pointer, align, element), element)

    condition = 1 if mask is None else _some(frame, mask, dtype.lanes)
    value = splat(frame, _guarded(frame, condition, read, element), register_type(element), dtype.lanes)
    if mask is None:
        return value
    kind = register_type(dtype)
    return frame.out.pure(f"select <{dtype.lanes} x i1> {mask}, {kind} {value}, {kind} zeroinitializer", "same")


def _some(frame: Frame, mask: Operand, lanes: int) -> str:
    name = f"llvm.vector.reduce.or.v{lanes}i1"
    return frame.out.pure(f"call i1 @{name}(<{lanes} x i1> {mask})", "some")


def _guarded(frame: Frame, condition: Operand, read: Callable[[], Operand], dtype: DType) -> Operand:
    """The value of ``read`` if ``condition`` holds, else zero, without reading."""
    if condition == 1:
        return read()
    if condition == 0:
        return zero(dtype)
    out, before = frame.out, frame.out.block
    there, done = out.label("load"), out.label("loaded")
    out.branch_if(condition, there, done)
    out.start(there)
    with out.scope():
        value = read()
    last = out.block
    out.branch(done)
    out.start(done)
    return out.value(f"phi {register_type(dtype)} [ {value}, %{last} ], [ {zero(dtype)}, %{before} ]", "loaded")


def _store_scalar(frame: Frame, stmt: Store) -> None:
    out = frame.out
    condition = 1 if stmt.predicate is None else frame.value(stmt.predicate)
    if condition == 0:
        return
    if condition != 1:
        there, done = out.label("store"), out.label("stored")
        out.branch_if(condition, there, done)
        out.start(there)
        with out.scope():
            _store_element(frame, stmt)
        out.branch(done)
        out.start(done)
    else:
        _store_element(frame, stmt)


def _store_element(frame: Frame, stmt: Store) -> None:
    dtype = stmt.buffer.dtype.element
    value = _to_memory(frame, frame.value(stmt.value), dtype)
    pointer, align = address(frame, stmt.buffer, stmt.indices)
    frame.out.do(f"store {memory_type(dtype)} {value}, ptr {pointer}, align {align}")


# ------------------------------------------------------------------------------------------------ masks


def _mask(frame: Frame, predicate: Expr | None, lanes: int) -> Operand | None:
    """The lanes that an access touches: its own predicate and the mask of the Select around; None: all."""
    own: Operand | None = None
    if predicate is not None:
        own = frame.value(predicate)
        if predicate.dtype.lanes == 1:
            own = None if own == 1 else splat(frame, own, "i1", lanes)
    outer = frame.mask if frame.mask is not None and frame.mask_lanes == lanes else None
    if own is None or outer is None:
        return outer if own is None else own
    return frame.out.pure(f"and {register_type(BOOL.with_lanes(lanes))} {own}, {outer}", "mask")


def _masked_name(frame: Frame, form: str, dtype: DType) -> tuple[str, str, str, str]:
    """Declare a masked intrinsic; return its name and the types of value, pointer and mask."""
    kind, mask = memory_type(dtype), f"<{dtype.lanes} x i1>"
    wide = form in {"gather", "scatter"}
    pointer = f"<{dtype.lanes} x ptr>" if wide else "ptr"
    element = memory_type(dtype.element).replace("float", "f32").replace("double", "f64")
    name = f"llvm.masked.{form}.v{dtype.lanes}{element}.{f'v{dtype.lanes}p0' if wide else 'p0'}"
    if form in {"load", "gather"}:
        frame.module.declare(name, f"{kind} {{}}({pointer}, i32, {mask}, {kind})")
    else:
        frame.module.declare(name, f"void {{}}({kind}, {pointer}, i32, {mask})")
    return name, kind, pointer, mask


def _masked_load(frame: Frame, pointer: str, align: int, dtype: DType, mask: Operand) -> str:
    name, kind, _, flag = _masked_name(frame, "load", dtype)
    text = f"call {kind} @{name}(ptr {pointer}, i32 {align}, {flag} {mask}, {kind} zeroinitializer)"
    return frame.out.value(text, "load")


def _masked_store(frame: Frame, raw: Operand, pointer: str, align: int, dtype: DType, mask: Operand) -> None:
    name, kind, _, flag = _masked_name(frame, "store", dtype)
    frame.out.do(f"call void @{name}({kind} {raw}, ptr {pointer}, i32 {align}, {flag} {mask})")


def _lane_pointers(frame: Frame, slot: Slot, dtype: DType, place: Place) -> str:
    pointer, _ = pointer_at(frame, slot, place.base)
    indices = place.indices
    if indices is None:
        step = place.step or 0
        indices = f"<{', '.join(f'i64 {step * lane}' for lane in range(dtype.lanes))}>"
    text = f"getelementptr {memory_type(dtype.element)}, ptr {pointer}, <{dtype.lanes} x i64> {indices}"
    return frame.out.pure(text, "lanes")


def _gather(frame: Frame, slot: Slot, dtype: DType, place: Place, mask: Operand | None) -> Operand:
    name, kind, pointer, flag = _masked_name(frame, "gather", dtype)
    lanes = _lane_pointers(frame, slot, dtype, place)
    chosen = _ALL if mask is None else mask
    text = f"call {kind} @{name}({pointer} {lanes}, i32 {dtype.bytes}, {flag} {chosen}, {kind} zeroinitializer)"
    return _from_memory(frame, frame.out.value(text, "gather"), dtype)


def _scatter(frame: Frame, slot: Slot, dtype: DType, raw: Operand, place: Place, mask: Operand | None) -> None:
    name, kind, pointer, flag = _masked_name(frame, "scatter", dtype)
    lanes = _lane_pointers(frame, slot, dtype, place)
    chosen = _ALL if mask is None else mask
    frame.out.do(f"call void @{name}({kind} {raw}, {pointer} {lanes}, i32 {dtype.bytes}, {flag} {chosen})")


def _load_strided(frame: Frame, slot: Slot, dtype: DType, base: Linear, step: int) -> Operand:
    """Load everything from the first to the last lane and pick every ``step``-th element."""
    span = (dtype.lanes - 1) * abs(step) + 1
    first = base if step > 0 else base.plus(Linear({}, (dtype.lanes - 1) * step))
    pointer, align = pointer_at(frame, slot, first)
    wide = dtype.with_lanes(span)
    raw = _plain_load(frame, pointer, align, wide)
    start = 0 if step > 0 else span - 1
    places = ", ".join(f"i32 {start + step * lane}" for lane in range(dtype.lanes))
    kind = memory_type(wide)
    picked = frame.out.pure(f"shufflevector {kind} {raw}, {kind} poison, <{dtype.lanes} x i32> <{places}>", "picked")
    return _from_memory(frame, picked, dtype)


def _load_lanes(frame: Frame, slot: Slot, dtype: DType, base: Linear, step: int) -> Operand:
    """Load lane by lane."""
    element = dtype.element
    kind, one = register_type(dtype), register_type(element)
    value = "poison"
    for lane in range(dtype.lanes):
        pointer, align = pointer_at(frame, slot, base.plus(Linear({}, lane * step)))
        read = _from_memory(frame, _plain_load(frame, pointer, align, element), element)
        value = frame.out.pure(f"insertelement {kind} {value}, {one} {read}, i64 {lane}", "lane")
    return value


def _store_lanes(frame: Frame, slot: Slot, dtype: DType, raw: Operand, base: Linear, step: int) -> None:
    """Store lane by lane."""
    kind, one = memory_type(dtype), memory_type(dtype.element)
    for lane in range(dtype.lanes):
        pointer, align = pointer_at(frame, slot, base.plus(Linear({}, lane * step)))
        element = frame.out.pure(f"extractelement {kind} {raw}, i64 {lane}", "lane")
        frame.out.do(f"store {one} {element}, ptr {pointer}, align {align}")
