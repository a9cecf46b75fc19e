"""Copies between layouts, and what a schedule rule wishes of the layouts of a function's parameters."""

from __future__ import annotations

from dataclasses import dataclass

from tondo.ir import Compute, Const, Expr, TensorFunction, TensorType, select
from tondo_schedule.layout.index_map import IndexMap


@dataclass(frozen=True, slots=True)
class LayoutWish:
    """``function.buffers[parameter]`` should be arranged by ``index_map``."""

    parameter: int
    index_map: IndexMap


def relayout(type: TensorType, index_map: IndexMap, name: str = "relayout") -> TensorFunction:
    """Return the function that copies a tensor of ``type`` into the layout of ``index_map``; padding elements are 0."""
    builder = Compute(name)
    source = builder.input("x", type)
    shape = source.shape

    def value(*new: Expr) -> Expr:
        old = index_map.old_index(new)
        inside = index_map.inside(new, shape)
        load = source[old]
        return load if inside is None else select(inside, load, Const(0, type.dtype))

    return builder.build(builder.compute("y", index_map.new_shape(shape), value))


def restore(type: TensorType, index_map: IndexMap, name: str = "restore") -> TensorFunction:
    """Return the function that copies a tensor in the layout of ``index_map`` back to ``type``, without padding."""
    builder = Compute(name)
    source = builder.input("x", TensorType(index_map.new_shape(type.dims), type.dtype))

    def value(*old: Expr) -> Expr:
        return source[index_map.new_index(old)]

    return builder.build(builder.compute("y", type.dims, value))
