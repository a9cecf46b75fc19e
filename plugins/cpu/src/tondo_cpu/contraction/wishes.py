"""What the contraction rule wishes of the layouts of a function's parameters."""

from __future__ import annotations

from math import prod

from tondo.arith import Analyzer
from tondo.ir import Buffer, Const, Load, TensorFunction, Var, add, mul, walk
from tondo.target import Target
from tondo_cpu.contraction.layout import inner_dims, to_the_end, variables_of
from tondo_cpu.contraction.prepare import prepare
from tondo_cpu.contraction.roles import depth_order
from tondo_cpu.contraction.tile import best, uneven_efficiency
from tondo_cpu.machine import Machine
from tondo_schedule import IndexMap, LayoutWish, Part, Schedule
from tondo_schedule.facts import Contraction, contraction_of, stages_of
from tondo_schedule.tree import loads_of, single_store

_MOST_WASTE = 1.5
"""Columns computed for each column wanted, at most, of panels of groups."""


def wishes(function: TensorFunction, target: Target) -> tuple[LayoutWish, ...]:
    """Return the layouts in which the single contraction of ``function`` runs best; () if there is none.

    Indices are those of ``function.buffers``. The wish for the right operand (panels ``[N/NR][K..][NR]``, zero-padded)
    pays only if that operand is constant; the others (channels last) only if the graph agrees on them as a whole.
    """
    stages = stages_of(function)
    anchors = [stage for stage in stages or () if stage.kind == "contraction"]
    if len(anchors) != 1:
        return ()
    schedule = Schedule(function)
    anchor = anchors[0].block.name
    epilogue = prepare(schedule, anchor)
    block = schedule.block(anchor)
    contraction = contraction_of(block)
    if contraction is None:
        return ()
    found: dict[int, IndexMap] = {}
    places = {buffer: place for place, buffer in enumerate(function.buffers)}
    left = inner_dims(contraction.left, contraction)
    order = to_the_end(contraction.left.buffer.rank, left)
    source = _source(schedule, contraction.left.buffer)
    if left and not order.is_identity and source in places:
        found[places[source]] = order
    found |= _result_wishes(schedule, anchor, epilogue, contraction, places)
    right = _right_wish(schedule, contraction, target)
    if right is not None and contraction.right.buffer in places:
        found[places[contraction.right.buffer]] = right
    return tuple(LayoutWish(place, index_map) for place, index_map in sorted(found.items()))


def _source(schedule: Schedule, buffer: Buffer) -> Buffer:
    """Return the parameter that ``buffer`` is a padded copy of, else ``buffer`` itself."""
    for stage in stages_of(schedule.function) or ():
        if stage.output == buffer and stage.kind in {"elementwise", "injective"}:
            inputs = [access for access in stage.reads if access.buffer.rank == buffer.rank]
            if len(inputs) == 1 and all(
                {item for item in walk(index) if isinstance(item, Var)} <= {own}
                for index, own in zip(inputs[0].indices, stage.store.indices, strict=True)
            ):
                return inputs[0].buffer
    return buffer


def _result_wishes(
    schedule: Schedule, anchor: str, epilogue: str, contraction: Contraction, places: dict[Buffer, int]
) -> dict[int, IndexMap]:
    """Return wishes for the result and for everything of its shape that the epilogue reads."""
    own = single_store(schedule.block(anchor), "contraction")
    block = schedule.block(epilogue)
    last = single_store(block, "contraction")
    (load,) = loads_of(block.body, own.buffer)
    names = dict(zip(own.indices, load.indices, strict=True))
    columns = [it.var for it in contraction.n]
    if not columns and inner_dims(contraction.left, contraction):
        columns = [it.var for it in contraction.batch]
    inner = {names[var] for var in columns}
    if not contraction.m or not inner:
        return {}
    result: dict[int, IndexMap] = {}
    accesses = [
        (last.buffer, last.indices),
        *((item.buffer, item.indices) for item in walk(last.value) if isinstance(item, Load)),
    ]
    for buffer, indices in accesses:
        if buffer not in places or tuple(indices) != tuple(last.indices):
            continue
        order = to_the_end(buffer.rank, tuple(d for d, index in enumerate(indices) if variables_of(index) & inner))
        if not order.is_identity:
            result[places[buffer]] = order
    return result


def _right_wish(schedule: Schedule, contraction: Contraction, target: Target) -> IndexMap | None:
    right = contraction.right
    plain = all(isinstance(index, Var) for index in right.indices if not _fixed(index))
    if not plain:
        return _grouped(schedule, contraction, target) or _columns_last(right, contraction)
    if (
        contraction.batch and contraction.n
    ):  # batched products multiply values with values: packed in the kernel if at all
        return None
    dims = {index: place for place, index in enumerate(right.indices) if isinstance(index, Var)}
    depth = depth_order(contraction.left, None, contraction.k, frozenset(it.var for it in contraction.m))
    inside = [dims[it.var] for it in depth if it.var in dims]
    machine = Machine.of(target, right.buffer.dtype)
    if not contraction.n:
        order = to_the_end(right.buffer.rank, tuple(dims[it.var] for it in contraction.batch if it.var in dims))
        return None if order.is_identity else order
    vector = contraction.n[-1]
    analyzer = schedule.analyzer()
    rows = _rows(contraction, analyzer)
    columns = getattr(analyzer.simplify(vector.extent), "value", None)
    width = best(machine, rows, columns, estimate=uneven_efficiency).vectors * machine.lanes
    own = dims[vector.var]
    others = [d for d in range(right.buffer.rank) if d not in inside and d != own]
    blocked = IndexMap.blocked([*others, *inside], own, width)
    outer, *rest = blocked.parts
    return IndexMap((*rest[: len(others)], outer, *rest[len(others) :]))


def _rows(contraction: Contraction, analyzer: Analyzer) -> int | None:
    """Return the rows that are one axis in memory: of a window only the innermost, else all; None if unknown."""
    plain = all(it.var in contraction.left.indices for it in contraction.m)
    extents = [analyzer.simplify(it.extent) for it in (contraction.m if plain else contraction.m[-1:])]
    counts = [int(extent.value) for extent in extents if isinstance(extent, Const)]
    return prod(counts) if len(counts) == len(extents) else None


def _grouped(schedule: Schedule, contraction: Contraction, target: Target) -> IndexMap | None:
    """Return panels for every group of grouped weights (``[g * 34 + o, c, p, q]``); None if they waste too much."""
    right = contraction.right
    if len(contraction.n) != 1 or len(contraction.batch) != 1:
        return None
    (column,), (group,) = contraction.n, contraction.batch
    analyzer = schedule.analyzer()
    extent = analyzer.simplify(column.extent)
    if not isinstance(extent, Const):
        return None
    size = int(extent.value)
    joined = analyzer.simplify(add(mul(group.var, size), column.var))
    own = [place for place, index in enumerate(right.indices) if analyzer.simplify(index) == joined]
    others = [index for place, index in enumerate(right.indices) if place not in own]
    if len(own) != 1 or not all(isinstance(index, Var) or _fixed(index) for index in others):
        return None
    machine = Machine.of(target, right.buffer.dtype)
    width = best(machine, _rows(contraction, analyzer), size, estimate=uneven_efficiency).vectors * machine.lanes
    if -(-size // width) * width > _MOST_WASTE * size:
        return None
    dims = {index: place for place, index in enumerate(right.indices) if isinstance(index, Var)}
    depth = depth_order(contraction.left, None, contraction.k, frozenset(it.var for it in contraction.m))
    inside = [dims[it.var] for it in depth if it.var in dims]
    rest = [place for place in range(right.buffer.rank) if place not in inside and place != own[0]]
    return IndexMap(
        (
            Part(own[0], "group", size),
            Part(own[0], "outer", width, size),
            *(Part(place) for place in (*rest, *inside)),
            Part(own[0], "inner", width, size),
        )
    )


def _columns_last(right: Load, contraction: Contraction) -> IndexMap | None:
    """Return the permutation that moves the columns of grouped weights (``[g * 16 + o, c, p, q]``) to the end."""
    columns = {it.var for it in contraction.n}
    inner = tuple(place for place, index in enumerate(right.indices) if variables_of(index) & columns)
    order = to_the_end(right.buffer.rank, inner)
    return order if len(inner) == 1 and not order.is_identity else None


def _fixed(index: object) -> bool:
    return not isinstance(index, Var) and getattr(index, "value", None) == 0
