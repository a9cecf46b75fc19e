"""What calls cost before anything is measured: operations and bytes against what a machine does at least and at most.

The rates are cautious guesses per core, like those of the schedule rules: they decide what is worth a measurement, and
the price of what cannot be measured (memory that is passed over once more because a library stands in between).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tondo.arith import Analyzer
from tondo.ir import (
    Atom,
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
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tondo.ir import DType, IRModule
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
_SIZE: Final = 64
"""Size of a dimension that may be anything."""


@dataclass(frozen=True, slots=True)
class Work:
    """Arithmetic operations of one call, and bytes of its arguments and results."""

    operations: int
    bytes: int
    dtype: DType


def sizes_of(graph: GraphFunction, context: PassContext) -> dict[Var, int]:
    """Return a likely size of every dimension that occurs in ``graph``: within its bounds."""
    found: dict[Var, int] = {}
    for item in walk(graph):
        if isinstance(item, Var) and item not in found:
            low, high = context.dimensions.get(item.name, (1, None))
            found[item] = max(low, _SIZE if high is None else min(high, _SIZE))
    return found


def known(expr: Expr, sizes: Mapping[Var, int]) -> int:
    """Return ``expr`` at ``sizes``; 0 if it depends on more than these."""
    value = Analyzer().simplify(substitute(expr, {var: Const(size, var.dtype) for var, size in sizes.items()}))
    return int(value.value) if isinstance(value, Const) else 0


def bytes_of(type_: TensorType, sizes: Mapping[Var, int]) -> int:
    """Return how many bytes a tensor has."""
    size = type_.dtype.bytes
    for extent in type_.dims:
        size *= known(extent, sizes)
    return size


def work_of(candidate: Candidate, sizes: Mapping[Var, int]) -> Work:
    """Return the work of one call; what is in no compute form counts no operations."""
    call, function = candidate.call, candidate.function
    inside = {var: known(value, sizes) for var, value in zip(function.scalars, call.scalars, strict=True)}
    stages = stages_of(function) or ()
    operations = sum(stage.operations * known(stage.points, inside) for stage in stages)
    size = sum(bytes_of(atom.tensor, sizes) for atom in (*dict.fromkeys(call.args), *candidate.binding.vars))
    return Work(operations, size, candidate.binding.vars[0].tensor.dtype)


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
        rules = sorted(context.rules.values(), key=lambda rule: (-rule.priority, rule.name))
        self._rules: Sequence[Wishing] = [rule for rule in rules if isinstance(rule, Wishing)]
        self._wishes: dict[str, tuple[LayoutWish, ...]] = {}
        self._maker = {var: binding for binding in graph.bindings for var in binding.vars}
        self._users: dict[GraphVar, list[TensorFunction | None]] = {}
        self._callers: dict[GraphVar, set[GraphVar]] = {}
        for binding in graph.bindings:
            call = binding.operation
            callee = module.tensor(call.function) if isinstance(call, CallDps) else None
            for atom in dict.fromkeys(item for item in walk(call) if isinstance(item, GraphVar)):
                self._users.setdefault(atom, []).append(callee)
                self._callers.setdefault(atom, set()).update(binding.vars)
        self._results = {atom for atom in graph.results if isinstance(atom, GraphVar)}

    def recognised(self, function: TensorFunction) -> bool:
        """Return whether a schedule rule has wishes for ``function``, be they that it stays as it is."""
        return bool(self._wishes_of(function))

    def seconds(self, candidate: Candidate, placed: Collection[GraphVar], sizes: Mapping[Var, int]) -> float:
        """Return the price of ``candidate``, where its library makes the values ``placed``, its own among them."""
        arranged = self._arranged(candidate.function)
        moved = 0
        for position, atom in enumerate((*candidate.call.args, *candidate.binding.vars)):
            if position in arranged and isinstance(atom, GraphVar) and not self._stays(atom, placed):
                moved += 2 * bytes_of(atom.tensor, sizes)
        for var in candidate.binding.vars:
            if self._fuses(var) and not self._callers.get(var, set()) <= set(placed):
                moved += 2 * bytes_of(var.tensor, sizes)
        return moved / BYTES

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

    def _stays(self, atom: Atom, placed: Collection[GraphVar]) -> bool:
        """Whether what makes and what uses ``atom`` besides is run by the library."""
        made = self._maker.get(atom) if isinstance(atom, GraphVar) else None
        others = self._callers.get(atom, set()) if isinstance(atom, GraphVar) else set[GraphVar]()
        return made is not None and all(var in placed for var in made.vars) and others <= set(placed)

    def _fuses(self, var: GraphVar) -> bool:
        """Whether generated code would join what follows with the call that makes ``var``."""
        users = self._users.get(var, [])
        if len(users) != 1 or var in self._results or users[0] is None:
            return False
        stages = stages_of(users[0]) or ()
        return bool(stages) and all(stage.kind != "opaque" for stage in stages) and stages[0].kind != "contraction"
