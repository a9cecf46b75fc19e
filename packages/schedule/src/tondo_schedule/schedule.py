"""``Schedule``: a small mutable face of immutable states.

Loops are referred to by their variable, blocks by their unique name. Every step goes through the pure ``apply`` of one
module of :mod:`tondo_schedule.primitives` and is recorded; the trace is plain data and can be replayed::

    s = Schedule(function)
    (i, j) = s.loops("C")
    i0, i1 = s.split(i, 8)
    s.parallel(i0)
    replay(function, s.trace) == s.function
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tondo.arith import Analyzer
from tondo.ir import GLOBAL, Block, Expr, For, TensorFunction, Var
from tondo.target import Intrinsic
from tondo_schedule.choices import C, Chooser, Priors
from tondo_schedule.layout.index_map import IndexMap
from tondo_schedule.primitives import (
    annotate,
    bind,
    blockize,
    cache_read,
    cache_write,
    compute_at,
    compute_inline,
    decompose_reduction,
    divide,
    drop_unit_axes,
    fuse,
    merge_axes,
    pad,
    parallel,
    partition,
    prefetch,
    reindex,
    reorder,
    reverse_compute_at,
    reverse_compute_inline,
    rfactor,
    sample_categorical,
    sample_compute_location,
    sample_perfect_tile,
    set_scope,
    specialize,
    split,
    split_axis,
    tensorize,
    tile,
    transform_layout,
    unroll,
    vectorize,
)
from tondo_schedule.primitives.split import Tail
from tondo_schedule.trace import Plain, Step, plain_choice, plain_map
from tondo_schedule.tree import ASSUME, analyzer_for, assumptions, block_at, block_place, blocks_of, loop_at, loop_place


class Schedule:
    """A tensor function under transformation."""

    def __init__(
        self,
        function: TensorFunction,
        assume: Sequence[Expr] = (),
        chooser: Chooser = Priors(),  # noqa: B008  frozen
    ) -> None:
        """Start with ``function``; conditions ``assume`` on its scalars are taken for granted.

        Args:
            function: what to schedule.
            assume: conditions on its scalars.
            chooser: who fills the holes of sampling primitives: the context of a rule, a
                :class:`~tondo_schedule.choices.Sampler`; without one their priors are taken.
        """
        if assume:
            stated = (*assumptions(function), *assume)
            function = replace(function, attrs=function.attrs.with_(**{ASSUME: stated}))
        self._function = function
        self._chooser = chooser
        self._steps: list[Step] = []

    @property
    def function(self) -> TensorFunction:
        """The current state."""
        return self._function

    @property
    def result(self) -> TensorFunction:
        """The current state without the assumptions, as it is handed on."""
        return replace(self._function, attrs=self._function.attrs.without(ASSUME))

    @property
    def trace(self) -> list[dict[str, Plain]]:
        """The steps so far as plain values."""
        return [step.to_plain() for step in self._steps]

    def checkpoint(self) -> tuple[TensorFunction, int]:
        """Return what :meth:`rollback` needs to come back to the current state."""
        return self._function, len(self._steps)

    def rollback(self, saved: tuple[TensorFunction, int]) -> None:
        """Return to an earlier state and forget the steps since."""
        self._function, count = saved
        del self._steps[count:]

    # ------------------------------------------------------------------------------------------ questions

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks in order."""
        return tuple(block.name for block in blocks_of(self._function.body))

    def block(self, name: str) -> Block:
        """Return the block ``name``."""
        return block_at(block_place(self._function, name))

    def loops(self, block: str) -> tuple[Var, ...]:
        """Return the variables of the loops around a block, outermost first."""
        return tuple(loop.var for loop in block_place(self._function, block).loops)

    def loop(self, var: Var) -> For:
        """Return the loop over ``var``."""
        return loop_at(loop_place(self._function, var))

    def extent(self, loop: Var) -> Expr:
        """Return the simplified extent of a loop."""
        place = loop_place(self._function, loop)
        return analyzer_for(self._function, place).simplify(loop_at(place).extent)

    def analyzer(self) -> Analyzer:
        """Return what is known about the dimensions."""
        return analyzer_for(self._function)

    def analyzer_at(self, loop: Var) -> Analyzer:
        """Return what is known around a loop."""
        return analyzer_for(self._function, loop_place(self._function, loop))

    # ------------------------------------------------------------------------------------------ loops

    def split(self, loop: Var, factor: int, tail: Tail = "predicate") -> tuple[Var, Var]:
        """See :mod:`tondo_schedule.primitives.split`."""
        self._function, (outer, inner) = split.apply(self._function, loop, factor, tail)
        self._record("split", {"loop": loop.name, "factor": factor, "tail": tail}, outer.name, inner.name)
        return outer, inner

    def tile(
        self, loops: Sequence[Var], sizes: Sequence[int], tail: Tail = "predicate"
    ) -> tuple[tuple[Var, ...], tuple[Var, ...]]:
        """See :mod:`tondo_schedule.primitives.tile`; returns the loops over tiles and those inside."""
        self._function, (outer, inner) = tile.apply(self._function, loops, sizes, tail)
        args: dict[str, Plain] = {"tiled": [loop.name for loop in loops], "sizes": list(sizes), "tail": tail}
        self._record("tile", args, *(loop.name for loop in (*outer, *inner)))
        return outer, inner

    def fuse(self, *loops: Var) -> Var:
        """See :mod:`tondo_schedule.primitives.fuse`; fuses any number of nested loops, outermost first."""
        current, *rest = loops
        for loop in rest:
            self._function, made = fuse.apply(self._function, current, loop)
            self._record("fuse", {"outer": current.name, "inner": loop.name}, made.name)
            current = made
        return current

    def reorder(self, *loops: Var) -> None:
        """See :mod:`tondo_schedule.primitives.reorder`."""
        self._function, _ = reorder.apply(self._function, loops)
        self._record("reorder", {"loops": [loop.name for loop in loops]})

    def partition(self, loop: Var, point: int) -> tuple[Var, tuple[str, ...]]:
        """See :mod:`tondo_schedule.primitives.partition`; returns the second loop and the names of its blocks."""
        self._function, (second, made) = partition.apply(self._function, loop, point)
        self._record("partition", {"loop": loop.name, "point": point}, second.name, *made)
        return second, made

    def parallel(self, loop: Var, grain: int = 1) -> None:
        """See :mod:`tondo_schedule.primitives.parallel`."""
        self._function, _ = parallel.apply(self._function, loop, grain)
        self._record("parallel", {"loop": loop.name, "grain": grain})

    def bind(self, loop: Var, axis: str) -> None:
        """See :mod:`tondo_schedule.primitives.bind`."""
        self._function, _ = bind.apply(self._function, loop, axis)
        self._record("bind", {"loop": loop.name, "thread": axis})

    def vectorize(self, loop: Var) -> None:
        """See :mod:`tondo_schedule.primitives.vectorize`."""
        self._function, _ = vectorize.apply(self._function, loop)
        self._record("vectorize", {"loop": loop.name})

    def unroll(self, loop: Var) -> None:
        """See :mod:`tondo_schedule.primitives.unroll`."""
        self._function, _ = unroll.apply(self._function, loop)
        self._record("unroll", {"loop": loop.name})

    def prefetch(self, buffer: str, loop: Var, inner: Var) -> None:
        """See :mod:`tondo_schedule.primitives.prefetch`."""
        self._function, _ = prefetch.apply(self._function, buffer, loop, inner)
        self._record("prefetch", {"buffer": buffer, "loop": loop.name, "inner": inner.name})

    def annotate(self, place: Var | str, name: str, value: float | str | bool) -> None:
        """See :mod:`tondo_schedule.primitives.annotate`."""
        self._function, _ = annotate.apply(self._function, place, name, value)
        kind, target = ("loop", place.name) if isinstance(place, Var) else ("block", place)
        self._record("annotate", {kind: target, "name": name, "value": value})

    # ------------------------------------------------------------------------------------------ blocks

    def compute_at(self, block: str, loop: Var) -> None:
        """See :mod:`tondo_schedule.primitives.compute_at`."""
        self._function, _ = compute_at.apply(self._function, block, loop)
        self._record("compute_at", {"block": block, "loop": loop.name})

    def reverse_compute_at(self, block: str, loop: Var) -> None:
        """See :mod:`tondo_schedule.primitives.reverse_compute_at`."""
        self._function, _ = reverse_compute_at.apply(self._function, block, loop)
        self._record("reverse_compute_at", {"block": block, "loop": loop.name})

    def compute_inline(self, block: str) -> None:
        """See :mod:`tondo_schedule.primitives.compute_inline`."""
        self._function, _ = compute_inline.apply(self._function, block)
        self._record("compute_inline", {"block": block})

    def reverse_compute_inline(self, block: str) -> None:
        """See :mod:`tondo_schedule.primitives.reverse_compute_inline`."""
        self._function, _ = reverse_compute_inline.apply(self._function, block)
        self._record("reverse_compute_inline", {"block": block})

    def cache_write(self, block: str, scope: str) -> str:
        """See :mod:`tondo_schedule.primitives.cache_write`."""
        self._function, made = cache_write.apply(self._function, block, scope)
        self._record("cache_write", {"block": block, "scope": scope}, made)
        return made

    def cache_read(self, block: str, buffer: str, index_map: IndexMap | None = None, scope: str = GLOBAL) -> str:
        """See :mod:`tondo_schedule.primitives.cache_read`."""
        self._function, made = cache_read.apply(self._function, block, buffer, index_map, scope)
        plain = None if index_map is None else plain_map(index_map)
        self._record("cache_read", {"block": block, "buffer": buffer, "index_map": plain, "scope": scope}, made)
        return made

    def set_scope(self, buffer: str, scope: str) -> None:
        """See :mod:`tondo_schedule.primitives.set_scope`."""
        self._function, _ = set_scope.apply(self._function, buffer, scope)
        self._record("set_scope", {"buffer": buffer, "scope": scope})

    def transform_layout(self, buffer: str, index_map: IndexMap) -> None:
        """See :mod:`tondo_schedule.primitives.transform_layout`."""
        self._function, _ = transform_layout.apply(self._function, buffer, index_map)
        self._record("transform_layout", {"buffer": buffer, "index_map": plain_map(index_map)})

    def reindex(self, block: str, buffer: str) -> str:
        """See :mod:`tondo_schedule.primitives.reindex`."""
        self._function, made = reindex.apply(self._function, block, buffer)
        self._record("reindex", {"block": block, "buffer": buffer}, made)
        return made

    def pad(self, block: str, loop: Var, multiple: int) -> tuple[tuple[str, ...], str | None]:
        """See :mod:`tondo_schedule.primitives.pad`; returns the blocks that copy operands, and the result."""
        self._function, (copies, written) = pad.apply(self._function, block, loop, multiple)
        made = copies if written is None else (*copies, written)
        self._record("pad", {"block": block, "loop": loop.name, "multiple": multiple}, *made)
        return copies, written

    def drop_unit_axes(self, block: str) -> None:
        """See :mod:`tondo_schedule.primitives.drop_unit_axes`."""
        self._function, _ = drop_unit_axes.apply(self._function, block)
        self._record("drop_unit_axes", {"block": block})

    def merge_axes(self, *axes: tuple[str, Var, Var]) -> tuple[Var, ...]:
        """See :mod:`tondo_schedule.primitives.merge_axes`."""
        self._function, made = merge_axes.apply(self._function, axes)
        plain: list[Plain] = [[block, outer.name, inner.name] for block, outer, inner in axes]
        self._record("merge_axes", {"axes": plain}, *(var.name for var in made))
        return made

    def split_axis(self, block: str, axis: Var, factor: int) -> tuple[Var, Var]:
        """See :mod:`tondo_schedule.primitives.split_axis`."""
        self._function, (outer, inner) = split_axis.apply(self._function, block, axis, factor)
        self._record("split_axis", {"block": block, "axis": axis.name, "factor": factor}, outer.name, inner.name)
        return outer, inner

    def specialize(self, blocks: Sequence[str], loop: str, least: int) -> tuple[str, ...]:
        """See :mod:`tondo_schedule.primitives.specialize`; the condition: the extent of ``loop`` is ``>= least``."""
        condition = self.extent(Var(loop)) >= least
        self._function, made = specialize.apply(self._function, tuple(blocks), condition)
        names: list[Plain] = list(blocks)
        self._record("specialize", {"blocks": names, "of": loop, "least": least}, *made)
        return made

    def divide(self, blocks: Sequence[str], loops: Sequence[Var], point: int) -> tuple[str, ...]:
        """See :mod:`tondo_schedule.primitives.divide`; returns the names of the blocks in the second part."""
        self._function, made = divide.apply(self._function, tuple(blocks), tuple(loops), point)
        names: list[Plain] = list(blocks)
        args: dict[str, Plain] = {"blocks": names, "tiled": [loop.name for loop in loops], "point": point}
        self._record("divide", args, *made)
        return made

    # ------------------------------------------------------------------------------------------ reductions

    def decompose_reduction(self, block: str, loop: Var) -> str:
        """See :mod:`tondo_schedule.primitives.decompose_reduction`."""
        self._function, made = decompose_reduction.apply(self._function, block, loop)
        self._record("decompose_reduction", {"block": block, "loop": loop.name}, made)
        return made

    def rfactor(self, block: str, loop: Var) -> tuple[str, Var]:
        """See :mod:`tondo_schedule.primitives.rfactor`."""
        self._function, (made, combining) = rfactor.apply(self._function, block, loop)
        self._record("rfactor", {"block": block, "loop": loop.name}, made, combining.name)
        return made, combining

    # ------------------------------------------------------------------------------------------ decisions

    def sample_perfect_tile(
        self, loop: Var, parts: int, innermost: int = 0, decision: Sequence[int] | None = None
    ) -> tuple[int, ...]:
        """See :mod:`tondo_schedule.primitives.sample_perfect_tile`."""
        given = None if decision is None else tuple(decision)
        _, made = sample_perfect_tile.apply(self._function, loop, parts, innermost, self._chooser, given)
        args: dict[str, Plain] = {"loop": loop.name, "parts": parts, "innermost": innermost, "decision": list(made)}
        self._record("sample_perfect_tile", args)
        return made

    def sample_categorical(self, name: str, candidates: Sequence[C], prior: C, decision: C | None = None) -> C:
        """See :mod:`tondo_schedule.primitives.sample_categorical`."""
        _, made = sample_categorical.apply(self._function, name, candidates, prior, self._chooser, decision)
        options: list[Plain] = [plain_choice(item) for item in candidates]
        args: dict[str, Plain] = {"hole": name, "candidates": options}
        self._record("sample_categorical", {**args, "prior": plain_choice(prior), "decision": plain_choice(made)})
        return made

    def sample_compute_location(self, block: str, decision: str | None = None) -> Var | None:
        """See :mod:`tondo_schedule.primitives.sample_compute_location`; None leaves the block where it is."""
        _, made = sample_compute_location.apply(self._function, block, self._chooser, decision)
        taken = sample_compute_location.STAY if made is None else made.name
        self._record("sample_compute_location", {"block": block, "decision": taken})
        return made

    # ------------------------------------------------------------------------------------------ instructions

    def blockize(self, loop: Var) -> str:
        """See :mod:`tondo_schedule.primitives.blockize`."""
        self._function, made = blockize.apply(self._function, loop)
        self._record("blockize", {"loop": loop.name}, made)
        return made

    def tensorize(self, place: Var | str, intrinsic: Intrinsic) -> str:
        """See :mod:`tondo_schedule.primitives.tensorize`; ``place`` is a loop or a block that ``blockize`` made."""
        self._function, made = tensorize.apply(self._function, place, intrinsic)
        kind, target = ("loop", place.name) if isinstance(place, Var) else ("block", place)
        self._record("tensorize", {kind: target, "intrinsic": intrinsic.name}, made)
        return made

    def _record(self, primitive: str, args: Mapping[str, Plain], *results: str) -> None:
        self._steps.append(Step(primitive, tuple(args.items()), results))
