"""A tensor function with its buffers in other arrangements, for ``graph.layout``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tondo.ir import Allocate, Buffer, Node, TensorFunction, Var, walk
from tondo_schedule.facts import Stage, stages_of
from tondo_schedule.layout import IndexMap, transform_layout

if TYPE_CHECKING:
    from collections.abc import Sequence


def arrange(function: TensorFunction, arranged: Sequence[IndexMap | None]) -> TensorFunction:
    """Return ``function`` with its buffer parameters in other arrangements.

    Allocations whose axes correspond to those of a permuted parameter are permuted with it.

    Args:
        function: in compute form.
        arranged: one map per buffer parameter, None for those that stay.
    """
    buffers = function.buffers
    work = [(buffer, index_map) for buffer, index_map in zip(buffers, arranged, strict=True) if index_map is not None]
    spread: dict[Buffer, IndexMap] = {}
    stages = stages_of(function) or ()
    local = {item.buffer for item in walk(function.body) if isinstance(item, Allocate)}
    for buffer, index_map in work:
        if all(part.role == "whole" for part in index_map.parts):
            for other in _connected(buffer, stages, local, index_map.rank):
                spread.setdefault(other, index_map)
    for buffer, index_map in [*work, *spread.items()]:
        function = transform_layout(function, buffer, index_map)
    return function


def _connected(buffer: Buffer, stages: Sequence[Stage], local: set[Buffer], rank: int) -> list[Buffer]:
    """Return the allocations that aligned stages connect with ``buffer``."""
    found: list[Buffer] = []
    pending = [buffer]
    while pending:
        current = pending.pop()
        for stage in stages:
            if not is_aligned(stage, rank):
                continue
            ends = {stage.output, *(access.buffer for access in stage.reads)}
            if current not in ends:
                continue
            for other in ends:
                if other in local and other.rank == rank and other not in found and other != buffer:
                    found.append(other)
                    pending.append(other)
    return sorted(found, key=lambda item: item.name)


def is_aligned(stage: Stage, rank: int) -> bool:
    """Whether every axis of the operands of full rank follows the same axis of the output, or a reduction."""
    if stage.kind == "opaque" or stage.output.rank != rank:
        return False
    places = {index: axis for axis, index in enumerate(stage.store.indices) if isinstance(index, Var)}
    for access in stage.reads:
        if access.buffer.rank != rank:
            continue
        for axis, index in enumerate(access.indices):
            used = {places[item] for item in _vars(index) if item in places}
            if used - {axis}:
                return False
    return True


def _vars(node: Node) -> set[Var]:
    return {item for item in walk(node) if isinstance(item, Var)}
