"""``cpu.contraction``: matrix products, convolutions and every other sum of products in a register tile.

Chosen by the facts of the function: a stage that is a contraction, whatever operator it came from. What precedes it
in the function (padding) becomes its own nest, what follows element by element becomes its epilogue, all else is
left to :mod:`tondo_cpu.rest`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tondo.ir import Const, Expr, TensorFunction, Var, is_const, walk
from tondo.passes import Miss, RuleContext
from tondo.target import Target
from tondo_cpu.contraction.layout import channels_last
from tondo_cpu.contraction.merge import merge_rows
from tondo_cpu.contraction.parallel import combines
from tondo_cpu.contraction.prepare import prepare
from tondo_cpu.contraction.roles import Roles, result_order, roles_of, slides
from tondo_cpu.contraction.schedule import apply_tile, axes_of, constant
from tondo_cpu.contraction.tile import Tile, best, candidates, even, uneven_efficiency
from tondo_cpu.contraction.wishes import wishes
from tondo_cpu.machine import Machine
from tondo_cpu.padding import paddings_of
from tondo_cpu.rest import inline_cheap, schedule_named, schedule_rest, stage_named
from tondo_schedule import IndexMap, LayoutWish, Schedule
from tondo_schedule.facts import Stage, contraction_of, stages_of
from tondo_schedule.tree import single_store

_FEW_ROWS = 2


@dataclass(frozen=True, slots=True)
class ContractionRule:
    """Schedule functions that contain a contraction."""

    name: str = "cpu.contraction"
    priority: int = 300

    def wishes(self, function: TensorFunction, target: Target) -> tuple[LayoutWish, ...]:
        """Return the wished arrangements; see :mod:`tondo_cpu.contraction.wishes`."""
        return wishes(function, target)

    def combines(self, product: Stage, columns: Sequence[int], target: Target) -> bool:
        """Return whether parallel products become one; see :mod:`tondo_cpu.contraction.parallel`."""
        return combines(product, columns, target)

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function, or why the rule does not apply."""
        stages = stages_of(function)
        if stages is None:
            return Miss("the function is not in compute form")
        anchors = [stage.block.name for stage in stages if stage.kind == "contraction"]
        if not anchors:
            return Miss("no stage is a contraction")
        if all(any(is_const(extent, 0) for extent in buffer.shape) for buffer in function.output_buffers):
            return Miss("the results have no elements")
        schedule = Schedule(function)
        inline_cheap(schedule)
        pairs = [(anchor, prepare(schedule, anchor)) for anchor in anchors]
        ready = [(anchor, epilogue, _arrange(schedule, anchor, epilogue, context)) for anchor, epilogue in pairs]
        if all(roles is None for _, _, roles in ready):
            return Miss("no axis of the contraction can run along vectors")
        own = {name for anchor, epilogue, roles in ready if roles is not None for name in (anchor, epilogue)}
        paddings = {
            anchor: _padding(schedule, anchor, roles, context.target) for anchor, _, roles in ready if roles is not None
        }
        without = {name for name in paddings.values() if name is not None}
        schedule_rest(schedule, context, own | without)
        for number, (anchor, epilogue, roles) in enumerate(ready):
            if roles is not None:
                _tile(schedule, anchor, epilogue, roles, context, str(number or ""), paddings[anchor])
        schedule_named(schedule, context, without)
        return schedule.result


def schedule_contraction(schedule: Schedule, anchor: str, epilogue: str, context: RuleContext) -> bool:
    """Schedule the contraction ``anchor`` of a function that another rule schedules; False if no axis takes vectors.

    ``epilogue`` reads the contraction's local result element by element; see :func:`tondo_cpu.contraction.prepare`.
    """
    roles = _arrange(schedule, anchor, epilogue, context)
    if roles is None:
        return False
    _tile(schedule, anchor, epilogue, roles, context, "")
    return True


def _padding(schedule: Schedule, anchor: str, roles: Roles, target: Target) -> str | None:
    """Return the stage that pads an operand of ``anchor`` and that the tile may do without."""
    stage = stage_named(schedule.function, anchor)
    if stage is None or not all(isinstance(it.extent, Const) for it in (roles.vector, *roles.rows[:1])):
        return None
    return next(iter(paddings_of(schedule, stage, roles.vector.var, target)), None)


def _arrange(schedule: Schedule, anchor: str, epilogue: str, context: RuleContext) -> Roles | None:
    """Give intermediate operands the layout that the tile wants, pack what has to be packed, merge rows."""
    saved = schedule.checkpoint()
    channels_last(schedule, anchor)
    roles = current_roles(schedule, anchor, epilogue)
    if roles is None:
        schedule.rollback(saved)
        roles = current_roles(schedule, anchor, epilogue)
    if roles is None or (roles.pack and _few_rows(schedule, roles)):
        return None
    if roles.pack or _ragged(schedule, roles):
        machine = Machine.of(context.target, roles.streamed.buffer.dtype)
        schedule.cache_read(anchor, roles.streamed.buffer.name, panels_of(roles, _panel(schedule, roles, machine)))
        roles = current_roles(schedule, anchor, epilogue)
        if roles is None or roles.panel is None:
            return None
    roles = _accumulators_in_order(schedule, anchor, epilogue, roles)
    if roles is None:
        return None
    merge_rows(schedule, anchor, epilogue, roles.rows)
    return current_roles(schedule, anchor, epilogue)


def _accumulators_in_order(schedule: Schedule, anchor: str, epilogue: str, roles: Roles) -> Roles | None:
    """Arrange the accumulators with the vector axis last and the row axis before it."""
    store = single_store(schedule.block(anchor), "contraction")
    wanted = [roles.vector.var, *(it.var for it in roles.rows), *(it.var for it in reversed(roles.outer))]
    order = IndexMap.permutation([store.indices.index(var) for var in reversed(wanted)])
    if order.is_identity:
        return roles
    schedule.transform_layout(store.buffer.name, order)
    return current_roles(schedule, anchor, epilogue)


def _few_rows(schedule: Schedule, roles: Roles) -> bool:
    """Whether packing costs more than it saves: one side is so short that it is better summed along memory."""
    sides = ([it.extent for it in roles.rows], [roles.vector.extent])
    return any(_at_most(schedule, extents, _FEW_ROWS) for extents in sides)


def _at_most(schedule: Schedule, extents: list[Expr], limit: int) -> bool:
    count = 1
    for extent in extents:
        value = schedule.analyzer().simplify(extent)
        if not isinstance(value, Const):
            return False
        count *= int(value.value)
    return count <= limit


def _ragged(schedule: Schedule, roles: Roles) -> bool:
    """Whether the columns are of unknown number and panels with padding can be made of them."""
    _, columns = sizes(schedule, roles)
    plain = all(isinstance(index, Var) for index in roles.streamed.indices)
    shared = any(item == roles.vector.var for index in roles.spread.indices for item in walk(index))
    return columns is None and roles.panel is None and plain and not shared


def current_roles(schedule: Schedule, anchor: str, epilogue: str) -> Roles | None:
    """Return the roles in the current state of the schedule."""
    block = schedule.block(anchor)
    contraction = contraction_of(block)
    if contraction is None:
        return None
    last = single_store(schedule.block(epilogue), "contraction")
    order = result_order(single_store(block, "contraction"), last, last.value)
    return None if order is None else roles_of(block, contraction, order, schedule.analyzer())


def _panel(schedule: Schedule, roles: Roles, machine: Machine) -> int:
    """Return the width of the panels to pack the streamed operand into."""
    rows, columns = sizes(schedule, roles)
    return best(machine, rows, columns).vectors * machine.lanes


def sizes(schedule: Schedule, roles: Roles) -> tuple[int | None, int | None]:
    """Return the numbers of rows (of the innermost row axis) and of columns, None where they are not constant."""
    analyzer = schedule.analyzer()
    row = analyzer.simplify(roles.rows[0].extent) if roles.rows else Const(1)
    column = analyzer.simplify(roles.vector.extent)
    return (
        int(row.value) if isinstance(row, Const) else None,
        int(column.value) if isinstance(column, Const) else None,
    )


def panels_of(roles: Roles, width: int) -> IndexMap:
    """Return the packed layout of the streamed operand: batch axes, panels, depth axes in loop order, columns."""
    dims = {index: place for place, index in enumerate(roles.streamed.indices) if isinstance(index, Var)}
    depth = [dims[it.var] for it in roles.depth if it.var in dims]
    own = dims[roles.vector.var]
    others = [place for place in range(roles.streamed.buffer.rank) if place not in depth and place != own]
    inner = IndexMap.blocked([*others, *depth], own, width)
    outer, *rest = inner.parts
    return IndexMap((*rest[: len(others)], outer, *rest[len(others) :]))


def _tile(
    schedule: Schedule,
    anchor: str,
    epilogue: str,
    roles: Roles,
    context: RuleContext,
    suffix: str,
    padding: str | None = None,
) -> None:
    dtype = roles.streamed.buffer.dtype
    machine = Machine.of(context.target, dtype).with_families(context.families, dtype)
    axes = axes_of(schedule, anchor, roles)
    rows, columns = constant(schedule, axes.row) if axes.row is not None else 1, constant(schedule, axes.vector)
    vectors = None if roles.panel is None else max(1, roles.panel // machine.lanes)
    if columns is not None and roles.panel is None:
        machine = replace(machine, lanes=min(machine.lanes, 1 << (max(1, columns).bit_length() - 1)))
        vectors = None if columns >= machine.lanes else 1
    widest = None if columns is None or roles.panel is not None else columns // machine.lanes
    if slides(roles) and widest:
        vectors = 1
    tiles = candidates(machine, rows, vectors, widest)
    prior = best(machine, rows, columns, tiles, uneven_efficiency)
    options = [(tile.rows, tile.vectors) for tile in tiles]
    chosen = Tile(
        *context.choose(
            f"tile{suffix}",
            options,
            prior=(prior.rows, prior.vectors),
            constraint=lambda value: Tile(*value) in tiles,
        )
    )
    tile = even(chosen, rows)
    width = roles.panel or tile.vectors * machine.lanes
    if roles.panel is not None:
        schedule.pad(anchor, axes.vector, roles.panel)
    if columns is None and roles.panel is None:
        other, other_epilogue = schedule.specialize((anchor, epilogue), axes.vector.name, width)
        few = axes_of(schedule, other, _renamed_roles(schedule, other, roles, anchor))
        apply_tile(schedule, other, other_epilogue, few, Tile(1, 1), 1, machine)
    if rows is None and axes.row is not None and tile.rows > 1:
        other, other_epilogue = schedule.specialize((anchor, epilogue), axes.row.name, tile.rows)
        few = axes_of(schedule, other, _renamed_roles(schedule, other, roles, anchor))
        apply_tile(schedule, other, other_epilogue, few, Tile(1, tile.vectors), width, machine)
    apply_tile(schedule, anchor, epilogue, axes, tile, width, machine, padding)


def _renamed_roles(schedule: Schedule, block: str, roles: Roles, anchor: str) -> Roles:
    """Return ``roles`` with the iteration variables of the other version of the block."""
    pairs = dict(zip((it.var for it in schedule.block(anchor).iters), schedule.block(block).iters, strict=True))
    return replace(
        roles,
        vector=pairs[roles.vector.var],
        rows=tuple(pairs[it.var] for it in roles.rows),
        outer=tuple(pairs[it.var] for it in roles.outer),
        depth=tuple(pairs[it.var] for it in roles.depth),
    )
