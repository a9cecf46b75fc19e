"""Bring a contraction into the form that the register tile is applied to.

After it there are two blocks: the contraction, which writes a ``local`` buffer, and one epilogue, which reads that
buffer element by element, does everything elementwise that follows, and stores the result.
"""

from __future__ import annotations

from tondo.diagnostics import TondoError
from tondo.ir import LOCAL, Allocate, Binary, Buffer, Const, Load, Store, Var, walk
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage, stages_of
from tondo_schedule.tree import blocks_of, loads_of, single_store, stores_of


def prepare(schedule: Schedule, anchor: str) -> str:
    """Inline what follows the contraction ``anchor`` and return the name of its epilogue."""
    schedule.drop_unit_axes(anchor)
    _inline_chain(schedule, anchor)
    _split_joined(schedule, anchor)
    epilogue = _epilogue(schedule, anchor)
    if epilogue is None:
        return schedule.cache_write(anchor, LOCAL)
    schedule.set_scope(_written(schedule, anchor).name, LOCAL)
    return epilogue


def _written(schedule: Schedule, block: str) -> Buffer:
    return single_store(schedule.block(block), "contraction").buffer


def _stage(schedule: Schedule, name: str) -> Stage | None:
    stages = stages_of(schedule.function) or ()
    return next((stage for stage in stages if stage.block.name == name), None)


def _inline_chain(schedule: Schedule, anchor: str) -> None:
    """Inline elementwise stages between the contraction and a single last one."""
    while True:
        current = _written(schedule, anchor)
        users = _users(schedule, current)
        if len(users) != 1 or current in schedule.function.output_buffers:
            return
        stage = _stage(schedule, users[0])
        if (
            stage is None
            or stage.kind not in {"elementwise", "injective"}
            or stage.output in schedule.function.output_buffers
        ):
            return
        later = [_stage(schedule, name) for name in _users(schedule, stage.output)]
        if not later or any(item is None or item.kind not in {"elementwise", "injective"} for item in later):
            return
        if len(later) > 1 and any(
            len(loads_of(item.block.body, stage.output))
            for item in later
            if item is not None and item.output not in schedule.function.output_buffers
        ):
            return
        try:
            schedule.compute_inline(users[0])
        except TondoError:
            return


def _users(schedule: Schedule, buffer: Buffer) -> list[str]:
    return [
        block.name
        for block in blocks_of(schedule.function.body)
        if loads_of(block.body, buffer) and not any(store.buffer == buffer for store in stores_of(block.body))
    ]


def _epilogue(schedule: Schedule, anchor: str) -> str | None:
    """Return the only user of the contraction if it reads it element by element."""
    buffer = _written(schedule, anchor)
    users = _users(schedule, buffer)
    if len(users) != 1 or buffer in schedule.function.output_buffers:
        return None
    block = schedule.block(users[0])
    if (
        any(it.kind == "reduction" for it in block.iters)
        or block.predicate is not None
        or not isinstance(block.body, Store)
    ):
        return None
    loads = loads_of(block.body, buffer)
    if len(loads) != 1:
        return None
    indices = loads[0].indices
    plain = all(isinstance(index, Var) for index in indices) and len(set(indices)) == len(indices)
    complete = {it.var for it in block.iters} == set(indices)
    return users[0] if plain and complete else None


def _split_joined(schedule: Schedule, anchor: str) -> None:
    """Iterate an epilogue that joins two axes (``T[c // 4, c % 4]``, groups and their channels) over both."""
    buffer = _written(schedule, anchor)
    for name in _users(schedule, buffer):
        for load in loads_of(schedule.block(name).body, buffer):
            for index in load.indices:
                if (
                    isinstance(index, Binary)
                    and index.op == "floormod"
                    and isinstance(index.a, Var)
                    and isinstance(index.b, Const)
                ):
                    try:
                        schedule.split_axis(name, index.a, int(index.b.value))
                    except TondoError:
                        return


def intermediate(schedule: Schedule, load: Load) -> bool:
    """Whether ``load`` reads something that the function itself computes."""
    return any(isinstance(item, Allocate) and item.buffer == load.buffer for item in walk(schedule.function.body))
