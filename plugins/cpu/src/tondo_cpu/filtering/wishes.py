"""Which layouts a filter wishes: channels last for values, panels for the transformed weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tondo.ir import Buffer, Const, IterVar, TensorFunction, Var
from tondo.target import Target
from tondo_cpu.contraction.layout import to_the_end, variables_of
from tondo_cpu.contraction.tile import best, uneven_efficiency
from tondo_cpu.filtering.structure import Filter, filter_of
from tondo_cpu.machine import Machine
from tondo_schedule import IndexMap, LayoutWish
from tondo_schedule.facts import Stage, stages_of


def wishes(function: TensorFunction, target: Target) -> tuple[LayoutWish, ...]:
    """Return the wished arrangements of the parameters of ``function``; () if it is no filter."""
    stages = stages_of(function)
    found = None if stages is None else filter_of(stages, function.output_buffers)
    if stages is None or found is None:
        return ()
    maps = {**_source(found, stages), **_results(found), **_weights(found, target)}
    places = {buffer: place for place, buffer in enumerate(function.buffers)}
    return tuple(
        LayoutWish(places[buffer], index_map)
        for buffer, index_map in maps.items()
        if buffer in places and not index_map.is_identity
    )


def _source(found: Filter, stages: Sequence[Stage]) -> dict[Buffer, IndexMap]:
    """Follow the channels of the left operand back to a parameter."""
    contraction = found.product.contraction
    assert contraction is not None
    channels = {it.var for it in contraction.k}
    buffer = found.operand.buffer
    dims = tuple(place for place, index in enumerate(found.operand.indices) if variables_of(index) & channels)
    while True:
        writers = [stage for stage in stages if stage.output == buffer]
        if not writers:
            return {buffer: to_the_end(buffer.rank, dims)}
        (stage,) = writers
        wanted = {index for place, index in enumerate(stage.store.indices) if place in dims and isinstance(index, Var)}
        access = stage.reads[0]
        buffer = access.buffer
        dims = tuple(place for place, index in enumerate(access.indices) if variables_of(index) & wanted)


def _results(found: Filter) -> dict[Buffer, IndexMap]:
    """Follow the columns to the result, and to everything of its form that is read beside it."""
    columns = {it.var for it in found.columns}
    dims = {found.product.output: _dims_of(found.product, columns)}
    last = found.after[-1]
    for stage in found.after:
        access = next(access for access in stage.reads if access.buffer in dims)
        wanted = set[Var]().union(*(variables_of(access.indices[place]) for place in dims[access.buffer]))
        dims[stage.output] = _dims_of(stage, wanted)
    alike = [access.buffer for access in last.reads if access.indices == last.store.indices]
    return {buffer: to_the_end(buffer.rank, dims[last.output]) for buffer in (last.output, *alike)}


def _dims_of(stage: Stage, variables: set[Var]) -> tuple[int, ...]:
    return tuple(place for place, index in enumerate(stage.store.indices) if index in variables)


def _weights(found: Filter, target: Target) -> dict[Buffer, IndexMap]:
    """Return panels ``[point.., N/NR, C, NR]``."""
    contraction = found.product.contraction
    assert contraction is not None
    if len(found.columns) != 1:
        return {}
    right = found.weights
    (column,) = found.columns
    own = right.indices.index(column.var)
    rows, columns = _count([it for it in (*contraction.m, *contraction.n) if it not in found.columns]), _count([column])
    machine = Machine.of(target, right.buffer.dtype)
    width = best(machine, rows, columns, estimate=uneven_efficiency).vectors * machine.lanes
    others = [place for place in range(right.buffer.rank) if place != own]
    outer, *rest = IndexMap.blocked(others, own, width).parts
    batch = len(contraction.batch)
    return {right.buffer: IndexMap((*rest[:batch], outer, *rest[batch:]))}


def _count(axes: Iterable[IterVar]) -> int | None:
    total = 1
    for it in axes:
        if not isinstance(it.extent, Const):
            return None
        total *= int(it.extent.value)
    return total
