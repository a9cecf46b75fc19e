"""What calls cost before anything is measured: operations and bytes against what a machine does at least and at most.

The rates are cautious guesses per core, like those of the schedule rules: they decide what is worth a measurement, and
the price of what cannot be measured (memory that is passed over once more because a library stands in between).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tondo.arith import Analyzer
from tondo.ir import (
    CallDps,
    Const,
    Expr,
    GraphFunction,
    GraphVar,
    TensorFunction,
    TensorType,
    Var,
    substitute,
    walk,
)
from tondo_passes.graph.layout import Wishing, is_packed
from tondo_passes.graph.neighbours import Neighbours
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tondo.ir import Binding, DType, IRModule
    from tondo.passes import PassContext
    from tondo.target import Target
    from tondo_passes.graph.offers import Candidate
    from tondo_schedule.layout import LayoutWish

CYCLES: Final = 3e9
"""Per second."""
BYTES: Final = 10e9
"""Per second, from the outer cache or memory."""
UNITS: Final = 2
"""Vector operations, multiply-adds, per cycle."""
RECOGNISED: Final = 0.75
"""Share of the peak that code reaches whose structure a schedule rule has wishes for."""
OTHER: Final = 0.2
"""Share of the peak of other code."""


@dataclass(frozen=True, slots=True)
class Work:
    """Arithmetic operations of one call, and bytes of its arguments and results."""

    operations: int
    bytes: int
    dtype: DType


def sizes_of(graph: GraphFunction, context: PassContext, size: int) -> dict[Var, int]:
    """Return a size of every dimension that occurs in ``graph``: ``size``, or what of its bounds is next to that."""
    found: dict[Var, int] = {}
    for item in walk(graph):
        if isinstance(item, Var) and item not in found:
            low, high = context.dimensions.get(item.name, (1, None))
            found[item] = max(low, 1, size if high is None else min(high, size))
    return found


def known(expr: Expr, sizes: Mapping[Var, int]) -> int:
    """Return ``expr`` at ``sizes``; 0 if it depends on more than these."""
    if isinstance(expr, Const):
        return int(expr.value)
    value = Analyzer().simplify(substitute(expr, {var: Const(size, var.dtype) for var, size in sizes.items()}))
    return int(value.value) if isinstance(value, Const) else 0


def bytes_of(type_: TensorType, sizes: Mapping[Var, int]) -> int:
    """Return how many bytes a tensor has."""
    size = type_.dtype.bytes
    for extent in type_.dims:
        size *= known(extent, sizes)
    return size


def work_of(function: TensorFunction, binding: Binding, sizes: Mapping[Var, int]) -> Work:
    """Return the work of a call of ``function``; what is in no compute form counts no operations."""
    call = binding.operation
    assert isinstance(call, CallDps)
    within = {var: known(value, sizes) for var, value in zip(function.scalars, call.scalars, strict=True)}
    operations = sum(stage.operations * known(stage.points, within) for stage in stages_of(function) or ())
    size = sum(bytes_of(atom.tensor, sizes) for atom in (*dict.fromkeys(call.args), *binding.vars))
    return Work(operations, size, binding.vars[0].tensor.dtype)


def least_seconds(work: Work, target: Target) -> float:
    """Return the time that nothing on the machine is below."""
    return max(work.operations / peak(target, work.dtype), work.bytes / (4 * BYTES * target.threads))


def likely_seconds(work: Work, target: Target, *, recognised: bool) -> float:
    """Return about what generated code takes."""
    share = RECOGNISED if recognised else OTHER
    return max(work.operations / (share * peak(target, work.dtype)), work.bytes / BYTES)


def peak(target: Target, dtype: DType) -> float:
    """Return the operations per second of all threads, a multiply-add counting two."""
    return 2 * UNITS * CYCLES * target.lanes(dtype) * target.threads


class Crossings:
    """What it costs besides that a library runs a call: copies between arrangements, and fusions that are lost.

    Every price is that of the decisions made so far, and falls with each further one: between two calls of the same
    library nothing is lost.
    """

    def __init__(self, graph: GraphFunction, module: IRModule, context: PassContext) -> None:
        """Look at the calls of ``graph``."""
        self._target = context.target
        self._tiles = bool(context.families)
        rules = sorted(context.rules.values(), key=lambda rule: (-rule.priority, rule.name))
        self._rules: Sequence[Wishing] = [rule for rule in rules if isinstance(rule, Wishing)]
        self._wishes: dict[str, tuple[LayoutWish, ...]] = {}
        self.neighbours = Neighbours(graph, module)

    def recognised(self, function: TensorFunction) -> bool:
        """Return whether a schedule rule has wishes for ``function``, be they that it stays as it is."""
        return bool(self._wishes_of(function))

    def tiled(self, function: TensorFunction) -> bool:
        """Return whether tiles of instructions compute ``function``: an estimate alone cannot tell what is faster."""
        return self._tiles and any(stage.contraction is not None for stage in stages_of(function) or ())

    def arranging(self, candidate: Candidate, placed: Collection[GraphVar], sizes: Mapping[Var, int]) -> float:
        """Return the time of copies between arrangements, where the library makes ``placed``, its values among them.

        Copies are priced for every argument and result that a schedule rule would have liked in another arrangement.
        """
        arranged = self._arranged(candidate.function)
        moved = 0
        for position, atom in enumerate((*candidate.call.args, *candidate.binding.vars)):
            if position in arranged and isinstance(atom, GraphVar) and not self._stays(atom, placed):
                moved += 2 * bytes_of(atom.tensor, sizes)
        return moved / BYTES

    def unfused(self, candidate: Candidate, placed: Collection[GraphVar], sizes: Mapping[Var, int]) -> float:
        """Return the time of passing once more over the results, where generated code joins what follows."""
        followers = self.neighbours.followers(candidate.binding)
        if not followers or set(followers[0].vars) <= set(placed):
            return 0.0
        moved = sum(bytes_of(var.tensor, sizes) for var in candidate.binding.vars)
        moved += sum(bytes_of(var.tensor, sizes) for binding in followers[:-1] for var in binding.vars)
        return 2 * moved / BYTES

    def _wishes_of(self, function: TensorFunction) -> tuple[LayoutWish, ...]:
        if function.name not in self._wishes:
            found = (tuple(rule.wishes(function, self._target)) for rule in self._rules)
            self._wishes[function.name] = next((wishes for wishes in found if wishes), ())
        return self._wishes[function.name]

    def _arranged(self, function: TensorFunction) -> frozenset[int]:
        """Return the positions of the parameters that a rule wishes arranged; blocks of arguments are for constants."""
        inputs = len(function.input_buffers)
        return frozenset(
            wish.parameter
            for wish in self._wishes_of(function)
            if not wish.index_map.is_identity and (wish.parameter >= inputs or not is_packed(wish.index_map))
        )

    def _stays(self, atom: GraphVar, placed: Collection[GraphVar]) -> bool:
        """Whether the library runs what makes and what uses ``atom``."""
        made = self.neighbours.maker.get(atom)
        users = [var for binding in self.neighbours.users.get(atom, []) for var in binding.vars]
        return made is not None and set(made.vars) <= set(placed) and set(users) <= set(placed)
