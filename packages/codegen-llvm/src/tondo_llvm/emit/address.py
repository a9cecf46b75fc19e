"""Addresses: where the element of an index lies, or the lanes of a vector index, and what alignment is certain."""

from __future__ import annotations

from dataclasses import dataclass

from tondo.diagnostics import fail
from tondo.ir import Buffer, Expr
from tondo_llvm.emit.form import Linear
from tondo_llvm.emit.frame import Frame, Slot
from tondo_llvm.emit.linear import Lanes, by_depth, lanes_of, linear, materialize, plain_index, product, scaled, splat
from tondo_llvm.emit.types import Operand, memory_type, register_type


@dataclass(frozen=True, slots=True)
class Place:
    """Where the lanes of a vector access lie: linear base with a constant step, or one index per lane."""

    base: Linear
    step: int | None
    indices: Operand | None = None


def address(frame: Frame, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[str, int]:
    """Return the pointer to one element and its provable alignment in bytes."""
    slot = frame.slot(buffer)
    return pointer_at(frame, slot, _element(frame, buffer, indices))


def _element(frame: Frame, buffer: Buffer, indices: tuple[Expr, ...]) -> Linear:
    """The position of an element, counted in elements from the start of the buffer."""
    total = Linear()
    for index, stride in _strided(frame, buffer, indices):
        place = linear(frame, index)
        total = total.plus(_times(frame, place, stride))
    return total


def _strided(frame: Frame, buffer: Buffer, indices: tuple[Expr, ...]) -> zip[tuple[Expr, Expr | int]]:
    if len(indices) != len(buffer.shape):
        fail(
            "TND-B004",
            f"'{buffer.name}' has {len(buffer.shape)} dimensions and is accessed with {len(indices)} indices",
        )
    return zip(indices, frame.unit.strides_of(buffer), strict=True)


def _times(frame: Frame, form: Linear, stride: Expr | int) -> Linear:
    if isinstance(stride, int):
        return form.times(stride)
    step = linear(frame, stride)
    if step.constant is not None:
        return form.times(step.constant)
    if form.constant is not None:
        return step.times(form.constant)
    return product(frame, form, step)


def place_of(frame: Frame, buffer: Buffer, indices: tuple[Expr, ...], lanes: int) -> Place:
    """Return where the lanes of an access lie, as regularly as it can be known."""
    forms: list[tuple[Lanes, Expr | int]] = []
    for index, stride in _strided(frame, buffer, indices):
        form = lanes_of(frame, index) if plain_index(index) else None
        if form is None:
            return _general_place(frame, buffer, indices, lanes)
        forms.append((form, stride))
    base, step = Linear(), Linear()
    for form, stride in forms:
        base = base.plus(_times(frame, form.base, stride))
        if form.step.constant != 0:
            step = step.plus(_times(frame, form.step, stride))
    if step.constant is None:
        return _general_place(frame, buffer, indices, lanes)
    return Place(base, step.constant)


def _general_place(frame: Frame, buffer: Buffer, indices: tuple[Expr, ...], lanes: int) -> Place:
    """One index per lane; scalar parts still go into the base."""
    pure, kind = frame.out.pure, f"<{lanes} x i64>"
    base = Linear()
    total: Operand | None = None
    for index, stride in _strided(frame, buffer, indices):
        if index.dtype.lanes == 1:
            base = base.plus(_times(frame, linear(frame, index), stride))
            continue
        value = frame.value(index)
        if index.dtype.bits != 64:
            word = "zext" if index.dtype.kind == "uint" else "sext"
            value = pure(f"{word} {register_type(index.dtype)} {value} to {kind}", "index")
        factor = stride if isinstance(stride, int) else materialize(frame, linear(frame, stride))
        if factor != 1:
            value = pure(f"mul nsw {kind} {value}, {splat(frame, factor, 'i64', lanes)}", "mul")
        total = value if total is None else pure(f"add nsw {kind} {total}, {value}", "sum")
    return Place(base, None, total)


def pointer_at(frame: Frame, slot: Slot, position: Linear) -> tuple[str, int]:
    """Return the pointer to the element at ``position`` and its provable alignment in bytes.

    The terms of the outermost loops are added first and the constant last, one pointer per depth.
    """
    buffer = slot.buffer
    pure, kind, size = frame.out.pure, memory_type(buffer.dtype.element), buffer.dtype.bytes
    pointer = slot.pointer
    total: str | None = None
    depth = -1
    for name in by_depth(frame, position):
        term = scaled(frame, name, position.terms[name])
        if total is not None and frame.out.depth_of(name) == depth:
            total = pure(f"add nsw i64 {total}, {term}", "sum")
            continue
        if total is not None:
            pointer = pure(f"getelementptr {kind}, ptr {pointer}, i64 {total}", f"{buffer.name}.at")
        total, depth = term, frame.out.depth_of(name)
    if total is not None:
        pointer = pure(f"getelementptr {kind}, ptr {pointer}, i64 {total}", f"{buffer.name}.at")
    if position.offset:
        pointer = pure(f"getelementptr {kind}, ptr {pointer}, i64 {position.offset}", f"{buffer.name}.at")
    return pointer, position.multiple(size, slot.align)
