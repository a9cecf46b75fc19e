"""A library against generated code, for one call: measured where that is possible and may pay, else estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tondo.ir import Binding, CallDps, Const, ConstantRef, GraphFunction, GraphVar, IRModule, TensorType, Var
from tondo.passes.library import place
from tondo.passes.placement import Placement
from tondo_passes.graph.prices import Crossings, bytes_of, known, least_seconds, likely_seconds, sizes_of, work_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tondo.ir import Atom, TensorFunction
    from tondo.passes import PassContext, Times
    from tondo.passes.placement import Origin
    from tondo_passes.graph.offers import Candidate

MARGIN: Final = 0.92
"""A library is chosen if it takes at most this share of the time of generated code: times vary from run to run."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found for one call and one library; times in seconds."""

    library: str
    taken: bool
    reason: str
    library_seconds: float | None = None
    crossing_seconds: float | None = None
    generated_seconds: float | None = None
    origin: Origin = ""
    wanted: bool = False

    @property
    def order(self) -> tuple[bool, bool, float, str]:
        """Requests first, then what is taken, then the fastest, then by name."""
        seconds = (self.library_seconds or 0.0) + (self.crossing_seconds or 0.0)
        return (not self.wanted, not self.taken, seconds, self.library)

    def row(self, function: str, runs: str, source: str) -> Placement:
        """Return the verdict as a row of the report about the function, which ``runs`` runs."""
        return Placement(
            function,
            runs,
            self.library,
            self.reason,
            library_seconds=_rounded(self.library_seconds),
            crossing_seconds=_rounded(self.crossing_seconds),
            generated_seconds=_rounded(self.generated_seconds),
            origin=self.origin,
            source=source,
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else float(f"{seconds:.3g}")


@dataclass(frozen=True, slots=True)
class _Found:
    """Times of one function at certain sizes."""

    library: float | None
    generated: float
    origin: Origin
    reason: str = ""


class Scales:
    """Weighs calls; equal ones once."""

    def __init__(self, module: IRModule, context: PassContext, pass_name: str, most_measured: int) -> None:
        """Measure at most ``most_measured`` functions, with what follows the pass ``pass_name``."""
        self._module = module
        self._context = context
        self._pass = pass_name
        represents = context.trials is not None and context.trials.represents(context.target)
        self._left = most_measured if represents else 0
        self._why = "" if represents else "the target is not this machine"
        self._known: dict[tuple[object, ...], _Found] = {}
        self._sizes: dict[str, dict[Var, int]] = {}

    def weigh(
        self, candidate: Candidate, library: str, mode: str, crossings: Crossings, values: Collection[GraphVar]
    ) -> Verdict:
        """Return the verdict about ``candidate`` and ``library``, which runs what makes ``values`` already."""
        if candidate.wanted is not None:
            if candidate.wanted == library:
                return Verdict(library, True, "requested", candidate.offers[library].seconds, wanted=True)
            return Verdict(library, False, f"'{candidate.wanted}' is requested", candidate.offers[library].seconds)
        if mode == "prefer":
            return Verdict(library, True, "preferred", candidate.offers[library].seconds)
        sizes = self._sizes_of(candidate.graph)
        crossing = crossings.seconds(candidate, {*values, *candidate.binding.vars}, sizes)
        found = self._times(candidate, library, crossings, crossing, sizes)
        if found.library is None:
            return Verdict(library, False, found.reason, None, crossing, found.generated, found.origin)
        total = found.library + crossing
        taken = not found.reason and total <= MARGIN * found.generated
        reason = found.reason or ("faster" if taken else "not faster")
        return Verdict(library, taken, reason, found.library, crossing, found.generated, found.origin)

    def work(self, candidate: Candidate) -> int:
        """Return the arithmetic operations of one call."""
        return work_of(candidate, self._sizes_of(candidate.graph)).operations

    def _sizes_of(self, graph: GraphFunction) -> dict[Var, int]:
        if graph.name not in self._sizes:
            self._sizes[graph.name] = sizes_of(graph, self._context)
        return self._sizes[graph.name]

    def _times(
        self, candidate: Candidate, library: str, crossings: Crossings, crossing: float, sizes: Mapping[Var, int]
    ) -> _Found:
        call = candidate.call
        kinds = tuple((isinstance(atom, ConstantRef), atom.type) for atom in call.args)
        key = (candidate.function.name, call.scalars, kinds, library)
        if key in self._known:
            return self._known[key]
        work, offer, target = work_of(candidate, sizes), candidate.offers[library], self._context.target
        likely = likely_seconds(work, target, recognised=crossings.recognised(candidate.function))
        if least_seconds(work, target) + crossing > MARGIN * likely:
            return _Found(offer.seconds, likely, "estimated", "cannot gain enough to be worth a measurement")
        if self._left and all(bytes_of(atom.tensor, sizes) for atom in (*call.args, *candidate.binding.vars)):
            self._left -= 1
            measured = self._measured(candidate, library, sizes)
            if measured is not None:
                self._known[key] = measured
                return measured
        if offer.seconds is None:
            return _Found(None, likely, "estimated", f"not measured: {self._why or 'enough others were'}")
        return _Found(offer.seconds, likely, "estimated")

    def _measured(self, candidate: Candidate, library: str, sizes: Mapping[Var, int]) -> _Found | None:
        assert self._context.trials is not None
        own = place(candidate.function, library, candidate.offers[library])
        modules = [self._alone(candidate, function, sizes) for function in (candidate.function, own)]
        times = self._context.trials.times(modules, self._pass)
        if times is None:
            return None
        generated, other = times
        return _Found(_total(other), generated.computing, "measured")

    def _alone(self, candidate: Candidate, function: TensorFunction, sizes: Mapping[Var, int]) -> IRModule:
        """Return the call by itself: constants stay constants, other arguments are inputs of known sizes."""
        call = candidate.call
        fixed = {atom: _fixed(atom, sizes, f"x{i}") for i, atom in enumerate(dict.fromkeys(call.args))}
        params = tuple(atom for atom in fixed.values() if isinstance(atom, GraphVar))
        result = tuple(GraphVar(f"y{i}", _type(var.tensor, sizes)) for i, var in enumerate(candidate.binding.vars))
        scalars = tuple(Const(known(value, sizes)) for value in call.scalars)
        binding = Binding(result, CallDps(function.name, tuple(fixed[atom] for atom in call.args), scalars))
        graph = GraphFunction("main", params, (binding,), result)
        constants = {
            atom.name: self._module.constants[atom.name] for atom in call.args if isinstance(atom, ConstantRef)
        }
        return IRModule.of(graph, function, constants=constants)


def _total(times: Times) -> float:
    return times.computing + times.moving


def _type(type_: TensorType, sizes: Mapping[Var, int]) -> TensorType:
    return TensorType(tuple(Const(known(extent, sizes)) for extent in type_.dims), type_.dtype)


def _fixed(atom: Atom, sizes: Mapping[Var, int], name: str) -> Atom:
    return atom if isinstance(atom, ConstantRef) else GraphVar(name, _type(atom.tensor, sizes))
