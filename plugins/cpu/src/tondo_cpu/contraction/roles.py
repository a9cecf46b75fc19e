"""What each axis of a contraction does in the schedule: vector, rows, panels, depth.

The vector axis runs along the registers: the right-hand operand (here ``streamed``) is read a vector at a time, the
other one (``spread``) an element at a time, broadcast. Any operand can play either part, so a product whose result is
contiguous along its rows is scheduled with the roles swapped.
"""

from __future__ import annotations

from dataclasses import dataclass

from tondo.arith import Analyzer
from tondo.ir import Binary, Block, Const, Expr, IterVar, Load, Store, Var, walk
from tondo_cpu.linear import by_stride
from tondo_cpu.strides import is_unit, stride_of
from tondo_schedule.facts import Contraction


@dataclass(frozen=True, slots=True)
class Roles:
    """The parts that operands and axes play.

    Attributes:
        spread: the operand whose elements are broadcast.
        streamed: the operand that is read in vectors.
        vector: the axis along the vectors.
        panel: columns of a packed panel of ``streamed``, None if it is not packed.
        pack: whether ``streamed`` has to be packed first, because its vectors are not contiguous.
        rows: candidate row axes: not in ``streamed``, innermost of the result first.
        outer: the other spatial axes in loop order.
        depth: the reduction axes in loop order.
    """

    spread: Load
    streamed: Load
    vector: IterVar
    panel: int | None
    pack: bool
    rows: tuple[IterVar, ...]
    outer: tuple[IterVar, ...]
    depth: tuple[IterVar, ...]


def roles_of(block: Block, contraction: Contraction, order: tuple[Var, ...], analyzer: Analyzer) -> Roles | None:
    """Return the roles; None if no axis can run along vectors.

    Args:
        block: the contraction.
        contraction: its operands and axes.
        order: the spatial variables of ``block`` in the order of the final result, innermost last.
        analyzer: what is known about the dimensions.
    """
    spatial = {it.var: it for it in block.iters if it.kind == "spatial"}
    vectors = [spatial[var] for var in reversed(order)]
    for pack in (False, True):
        for vector in vectors:
            for streamed, spread in ((contraction.right, contraction.left), (contraction.left, contraction.right)):
                found = _streams(streamed, spread, vector.var, analyzer, pack=pack)
                if found is not None:
                    return _assign(block, spread, streamed, vector, found or None, pack, order)
    return None


def _streams(streamed: Load, spread: Load, vector: Var, analyzer: Analyzer, *, pack: bool) -> int | None:
    """Return the panel width (0: not packed) if ``streamed`` can be read in vectors along ``vector``, else None."""
    if not _has(streamed, vector):
        return None
    if pack:
        plain = all(isinstance(index, Var) for index in streamed.indices) and len(set(streamed.indices)) == len(
            streamed.indices
        )
        return 0 if plain and not _has(spread, vector) else None
    panel = panel_of(streamed, vector)
    if panel is not None:
        return None if _has(spread, vector) else panel
    if not is_unit(stride_of(streamed.buffer, streamed.indices, vector, analyzer)):
        return None
    if _has(spread, vector) and not is_unit(stride_of(spread.buffer, spread.indices, vector, analyzer)):
        return None
    return 0


def panel_of(load: Load, vector: Var) -> int | None:
    """Return ``b`` if the operand is packed as ``[.., vector // b, .., vector % b]``."""
    last = load.indices[-1]
    if not (isinstance(last, Binary) and last.op == "floormod" and last.a == vector and isinstance(last.b, Const)):
        return None
    outer = Binary("floordiv", vector, last.b)
    others = [index for index in load.indices[:-1] if any(item == vector for item in walk(index))]
    return int(last.b.value) if others == [outer] and load.buffer.shape[-1] == last.b else None


def _assign(
    block: Block, spread: Load, streamed: Load, vector: IterVar, panel: int | None, pack: bool, order: tuple[Var, ...]
) -> Roles:
    spatial = {it.var: it for it in block.iters if it.kind == "spatial"}
    ordered = [spatial[var] for var in order if var != vector.var]
    rows = tuple(it for it in reversed(ordered) if not _has(streamed, it.var))
    outer = tuple(it for it in ordered if _has(streamed, it.var))
    reduced = tuple(it for it in block.iters if it.kind == "reduction")
    depth = depth_order(spread, streamed if panel is not None else None, reduced, frozenset(it.var for it in rows))
    return Roles(spread, streamed, vector, panel, pack, rows, outer, depth)


def depth_order(
    spread: Load, packed: Load | None, axes: tuple[IterVar, ...], rows: frozenset[Var]
) -> tuple[IterVar, ...]:
    """Return the reduction axes from the outermost loop in.

    A packed operand dictates its own order; otherwise window axes (which share an index of the other operand with
    one of ``rows``) come first and channels last, in the order of the dimensions, so that the innermost loop walks
    along memory.
    """
    if packed is not None:
        place = {
            it.var: i for it in axes for i, index in enumerate(packed.indices) if any(v == it.var for v in walk(index))
        }
        return tuple(sorted(axes, key=lambda it: place.get(it.var, -1)))
    channels: dict[Var, int] = {}
    for place_, index in enumerate(spread.indices):
        variables = {item for item in walk(index) if isinstance(item, Var)}
        if not variables & rows:
            channels |= dict.fromkeys(variables, place_)
    return tuple(sorted(axes, key=lambda it: (it.var in channels, channels.get(it.var, 0))))


def slides(roles: Roles) -> bool:
    """Whether both operands are read in vectors and the innermost depth axis moves one of them along the rows.

    Then neighbouring rows read the same vectors: the windows of a depthwise convolution.
    """
    if not roles.rows or not roles.depth or not (_has(roles.spread, roles.vector.var) and roles.panel is None):
        return False
    row, tap = roles.rows[0].var, roles.depth[-1].var
    return any({row, tap} <= set(walk(index)) for index in roles.spread.indices)


def _has(load: Load, var: Var) -> bool:
    return any(item == var for index in load.indices for item in walk(index))


def result_order(contraction: Store, epilogue: Store, value: Expr) -> tuple[Var, ...] | None:
    """Return the contraction's spatial variables in the order in which ``epilogue`` stores its result.

    None if the epilogue reads the contraction's buffer at anything but distinct plain variables.
    """
    loads = {item.indices for item in walk(value) if isinstance(item, Load) and item.buffer == contraction.buffer}
    if len(loads) != 1:
        return None
    (indices,) = loads
    if not all(isinstance(index, Var) for index in indices) or len(set(indices)) != len(indices):
        return None
    own = dict(zip(indices, contraction.indices, strict=True))
    stored = [own[var] for index in epilogue.indices for var in by_stride(index) if var in own]
    if len(stored) != len(own):
        return None
    return tuple(var for var in stored if isinstance(var, Var))
