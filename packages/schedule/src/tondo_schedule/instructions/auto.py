"""``auto_tensorize``: bring a block into the form of a declared instruction, and use it.

Before (``C[i, j] += A[i, k] * B[k, j]`` over 10 x 7 x 5, an instruction for 4 x 4 x 4)::

    for i in range(10):
        for j in range(7):
            for k in range(5):
                C[i, j] += A[i, k] * B[k, j]

After::

    A_pad, B_pad = copies of 12 x 8 and 8 x 8, zeros around
    for i_0 in range(3):
        for j_0 in range(2):
            C_local = 0
            for k_0 in range(2):
                block C_o, intrinsic "mma4": C_local[i_0 * 4 : +4, j_0 * 4 : +4] += ...
            C[..] = C_local[..] where that is inside

What happens, in this order: the assignment of axes to the loops of the instruction is chosen by cost
(:mod:`tondo_schedule.instructions.assign`); operands without a dimension per axis are gathered (``reindex``: im2col);
axes that the instruction does not divide are padded (``pad``); operands that do not lie as the instruction demands are
copied to another layout or scope (``cache_read``), the result is computed in a buffer of its own (``cache_write``,
``transform_layout``); the loops are split and ordered, the start of the reduction comes before the reduction loops, and
the inner nest becomes the instruction (``tensorize``). Every step is a primitive, so the trace replays it. Nothing
changes if no instruction fits; the reasons come back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tondo.diagnostics import TondoError
from tondo.ir import GLOBAL, LOCAL, Block, Expr, Load, Store, Var, is_const
from tondo.passes import Miss
from tondo.target import Intrinsic, Operand
from tondo_schedule.choices import Chooser, Priors
from tondo_schedule.instructions.assign import Assignment, assignments, operand_axes, operand_loads
from tondo_schedule.instructions.match import Window, reason_against
from tondo_schedule.layout.index_map import IndexMap, Part
from tondo_schedule.schedule import Schedule
from tondo_schedule.tree import single_store

_ORDINARY = frozenset({"register", GLOBAL})
_MOST = 12
"""Assignments that are tried, at most."""


@dataclass(frozen=True, slots=True)
class Tensorized:
    """What was done.

    Attributes:
        intrinsic: name of the instruction.
        block: the block that is the instruction now.
        start: the block that starts its reduction, if there is one.
        spatial: the loops over tiles of the result, outermost first.
        reduction: the loops inside them over tiles that are summed.
        copies: blocks that copy operands, in order.
        written: the block that copies the result from a buffer of its own, if there is one.
    """

    intrinsic: str
    block: str
    start: str | None
    spatial: tuple[Var, ...]
    reduction: tuple[Var, ...]
    copies: tuple[str, ...]
    written: str | None


def auto_tensorize(
    schedule: Schedule, block: str, intrinsics: Sequence[Intrinsic], chooser: Chooser | None = None
) -> Tensorized | Miss:
    """Use one of ``intrinsics`` for ``block``.

    Args:
        schedule: holds a block in compute form: each axis is a loop of its own.
        block: its name.
        intrinsics: what the target has.
        chooser: decides among the assignments that are possible (hole ``tensorize.<block>``, the number of the
            assignment, cheapest first), such as the context of a rule; the cheapest without one.

    Returns:
        What was done; or the reason why each of the instructions does not fit, then the schedule is as it was.
    """
    node = schedule.block(block)
    reasons = [reason] if (reason := _unfit(schedule, node)) else []
    found: list[Assignment] = []
    for intrinsic in intrinsics if not reasons else ():
        result = assignments(intrinsic, node, schedule.analyzer())
        if isinstance(result, str):
            reasons.append(f"{intrinsic.name}: {result}")
        else:
            found.extend(result)
    options = sorted(found, key=lambda item: item.cost)[:_MOST]
    if options:
        first = (chooser or Priors()).choose(f"tensorize.{block}", range(len(options)), prior=0)
        options.insert(0, options.pop(first))
    for option in options:
        saved = schedule.checkpoint()
        try:
            return _apply(schedule, block, option)
        except TondoError as error:
            schedule.rollback(saved)
            reasons.append(f"{option}: {error.diagnostics[0].message}")
    return Miss("; ".join(reasons) or "there is no instruction")


def _unfit(schedule: Schedule, node: Block) -> str | None:
    if not isinstance(node.body, Store) or node.predicate is not None:
        return f"block '{node.name}' is not a single store without a condition"
    loops = schedule.loops(node.name)
    if [it.binding for it in node.iters if it.binding not in loops] or len(loops) != len(node.iters):
        return f"block '{node.name}' is scheduled already: its axes are not one loop each"
    return None


def _apply(schedule: Schedule, block: str, option: Assignment) -> Tensorized:
    copies = [schedule.reindex(block, option.operands[name]) for name in option.copied]
    written: str | None = None
    for axis, extent in option.axes:
        made, result = schedule.pad(block, _loops(schedule, block)[axis], extent)
        copies.extend(made)
        written = written or result
    placed: list[str] = []
    for operand, window, load in list(_operands(schedule, block, option))[1:]:
        if not _fits(operand, window):
            scope = GLOBAL if operand.scope in _ORDINARY else operand.scope
            name = schedule.cache_read(block, load.buffer.name, _blocked(operand, option, load), scope)
            (copies if scope == GLOBAL else placed).append(name)
    copies = _joined(schedule, copies)
    written = _accumulators(schedule, block, option, written)
    option = _arranged(schedule, block, option)
    spatial, reduction, inner = _split(schedule, block, option)
    around = (*spatial, *reduction)
    schedule.reorder(*around, *inner)
    start = None
    if schedule.block(block).init is not None:
        start = schedule.decompose_reduction(block, (*reduction, *inner)[0])
    if spatial and written is not None:
        _near(schedule, written, spatial[-1])
    for name in placed if around else ():
        schedule.compute_at(name, around[-1])
    name = schedule.tensorize(inner[0], option.intrinsic)
    return Tensorized(option.intrinsic.name, name, start, spatial, reduction, (*copies, *placed), written)


def _operands(schedule: Schedule, block: str, option: Assignment) -> Iterator[tuple[Operand, Window | str, Load]]:
    return operand_loads(option.intrinsic, schedule.block(block), option.axes)


def _fits(operand: Operand, window: Window | str) -> bool:
    return isinstance(window, Window) and reason_against(operand, window) is None


def _loops(schedule: Schedule, block: str) -> dict[Var, Var]:
    """Return the loop of each axis."""
    return {it.var: it.binding for it in schedule.block(block).iters if isinstance(it.binding, Var)}


def _near(schedule: Schedule, written: str, loop: Var) -> None:
    """Copy the result inside ``loop`` if its buffer is read there at plain indices; else it is copied at the end."""
    saved = schedule.checkpoint()
    try:
        schedule.reverse_compute_at(written, loop)
    except TondoError:
        schedule.rollback(saved)


def _accumulators(schedule: Schedule, block: str, option: Assignment, written: str | None) -> str | None:
    """Compute the result in a buffer of the scope that the instruction wants; return the block that copies it."""
    operand, window, load = next(_operands(schedule, block, option))
    ordinary = operand.scope in _ORDINARY
    scope = LOCAL if ordinary else operand.scope
    summed = any(it.kind == "reduction" for it in schedule.block(block).iters)
    if load.buffer in schedule.function.buffers:
        return schedule.cache_write(block, scope) if summed or not _fits(operand, window) else written
    if written is not None or not ordinary:
        schedule.set_scope(load.buffer.name, scope)
    return written


def _arranged(schedule: Schedule, block: str, option: Assignment) -> Assignment:
    """Arrange the result as the instruction demands; return the assignment of the axes that the block has then."""
    operand, window, load = next(_operands(schedule, block, option))
    if _fits(operand, window) or isinstance(window, str) or load.buffer in schedule.function.buffers:
        return option
    only_last = all(stride is None for stride in (operand.strides or ())[:-1])
    arrange = _last if only_last and operand.scope in _ORDINARY else _blocked
    index_map = arrange(operand, option, load)
    schedule.transform_layout(load.buffer.name, index_map)
    made = single_store(schedule.block(block), "auto_tensorize").indices
    now = {
        load.indices[part.axis]: var
        for part, var in zip(index_map.parts, made, strict=True)
        if part.role in {"whole", "inner"}
    }
    axes = tuple((_variable(now.get(axis, axis)), extent) for axis, extent in option.axes)
    return replace(option, axes=axes)


def _variable(value: Expr) -> Var:
    assert isinstance(value, Var)
    return value


def _inside(operand: Operand, option: Assignment, load: Load) -> list[int]:
    """Return the dimensions of a buffer that the tiles of an operand extend along, in the order of the operand's."""
    dims: dict[Expr, int] = {index: dim for dim, index in enumerate(load.indices)}
    order = operand_axes(option.intrinsic, operand, option.axes)
    return [dims[axis] for axis in order if axis in dims]


def _blocked(operand: Operand, option: Assignment, load: Load) -> IndexMap:
    """Return the layout in which the tiles of an operand are compact, in the order of its dimensions."""
    tiles: dict[Expr, int] = dict(option.axes)
    inside = _inside(operand, option, load)
    size = {dim: tiles[load.indices[dim]] for dim in inside}
    outer = [Part(dim, "outer", size[dim]) if dim in size else Part(dim) for dim in range(load.buffer.rank)]
    return IndexMap((*outer, *(Part(dim, "inner", size[dim]) for dim in inside)))


def _last(operand: Operand, option: Assignment, load: Load) -> IndexMap:
    """Return the layout whose last dimensions are those of the operand."""
    inside = _inside(operand, option, load)
    return IndexMap.permutation([*(dim for dim in range(load.buffer.rank) if dim not in inside), *inside])


def _joined(schedule: Schedule, copies: list[str]) -> list[str]:
    """Make one copy of copies of copies: those that only another copy reads are computed there."""
    kept: list[str] = []
    for name in copies:
        buffer = single_store(schedule.block(name), "auto_tensorize").buffer
        readers = [
            other for other in schedule.blocks if any(item.buffer == buffer for item in schedule.block(other).reads)
        ]
        if readers and all(reader in copies for reader in readers):
            schedule.compute_inline(name)
        else:
            kept.append(name)
    return kept


def _split(
    schedule: Schedule, block: str, option: Assignment
) -> tuple[tuple[Var, ...], tuple[Var, ...], tuple[Var, ...]]:
    """Split the loops of the assigned axes; return those over tiles, spatial and reducing, and those inside."""
    tiles = dict(option.axes)
    outer: dict[str, list[Var]] = {"spatial": [], "reduction": []}
    inner: dict[Var, Var] = {}
    loops = _loops(schedule, block)
    for it in schedule.block(block).iters:
        loop = loops[it.var]
        if it.var not in tiles:
            outer[it.kind].append(loop)
        elif is_const(schedule.extent(loop), tiles[it.var]):
            inner[it.var] = loop
        else:
            over, inner[it.var] = schedule.split(loop, tiles[it.var])
            outer[it.kind].append(over)
    return tuple(outer["spatial"]), tuple(outer["reduction"]), tuple(inner[axis] for axis in tiles)
