"""A library against generated code, for one call: measured where that is possible and may pay, else estimated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tondo.ir import CallDps, ConstantRef
from tondo.passes.library import place
from tondo.passes.placement import Placement
from tondo_passes.graph.excerpt import excerpt
from tondo_passes.graph.prices import Crossings, Work, least_seconds, likely_seconds, sizes_of, work_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tondo.ir import Binding, GraphFunction, GraphVar, IRModule, Var
    from tondo.passes import PassContext, Times
    from tondo.passes.placement import Origin
    from tondo_passes.graph.offers import Candidate

MARGIN: Final = 0.92
"""A library is chosen if it takes at most this share of the time of generated code: times vary from run to run."""
DOUBT: Final = 1.6
"""How many times faster than it estimates a library may turn out to be."""
SHARE: Final = 0.02
"""Share of the model's likely time from which on the calls of a function are worth a measurement."""
SIZE: Final = 64
"""Size of a dimension that may have any, or less, so that:"""
SECONDS: Final = 0.01
"""no call is likely to take longer while it is measured."""


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


class Scales:
    """Weighs calls; equal ones are measured once."""

    def __init__(
        self, module: IRModule, context: PassContext, pass_name: str, most_measured: int, offered: Sequence[Candidate]
    ) -> None:
        """Measure at most ``most_measured`` functions of ``offered``, with what follows the pass ``pass_name``."""
        self._module = module
        self._context = context
        self._pass = pass_name
        represents = context.trials is not None and context.trials.represents(context.target)
        self._left = most_measured if represents else 0
        self._why = "enough others were" if represents else "the target is not this machine"
        self._measurements: dict[tuple[object, ...], tuple[float, float] | None] = {}
        self.crossings = {graph: Crossings(graph, module, context) for graph in module.graph_functions()}
        self._sizes = {graph: self._likely_sizes(graph, offered) for graph in self.crossings}
        self._shares = self._shares_of_time()

    def work(self, candidate: Candidate) -> int:
        """Return the arithmetic operations of one call."""
        return self._work(candidate).operations

    def weigh(self, candidate: Candidate, library: str, mode: str, values: Collection[GraphVar]) -> Verdict:
        """Return the verdict about ``candidate`` and ``library``, which runs what makes ``values`` already."""
        own = candidate.offers[library].seconds
        if candidate.wanted is not None:
            if candidate.wanted == library:
                return Verdict(library, True, "requested", own, wanted=True)
            return Verdict(library, False, f"'{candidate.wanted}' is requested", own)
        if mode == "prefer":
            return Verdict(library, True, "preferred", own)
        crossings, sizes = self.crossings[candidate.graph], self._sizes[candidate.graph]
        values = {*values, *candidate.binding.vars}
        arranging = crossings.arranging(candidate, values, sizes)
        unfused = crossings.unfused(candidate, values, sizes)
        work, target = self._work(candidate), self._context.target
        likely = likely_seconds(work, target, recognised=crossings.recognised(candidate.function))
        least = max(least_seconds(work, target), (own or 0.0) / DOUBT)
        if least + arranging + unfused > MARGIN * likely:
            return Verdict(library, False, "cannot gain enough", own or least, arranging + unfused, likely, "estimated")
        if self._shares.get(candidate.function.name, 0.0) < SHARE:
            return Verdict(library, False, "too little to gain", own or least, arranging + unfused, likely, "estimated")
        measured = self._measured(candidate, library, sizes)
        if measured is not None:
            generated, other = measured
            taken = other + arranging <= MARGIN * generated
            reason = "faster" if taken else "not faster"
            return Verdict(library, taken, reason, other, arranging, generated, "measured")
        if own is None:
            return Verdict(library, False, f"not measured: {self._why}", None, arranging + unfused, likely, "estimated")
        if crossings.tiled(candidate.function):
            reason = f"not measured: {self._why}"
            return Verdict(library, False, reason, own, arranging + unfused, likely, "estimated")
        taken = own + arranging + unfused <= MARGIN * likely
        reason = "faster" if taken else "not faster"
        return Verdict(library, taken, reason, own, arranging + unfused, likely, "estimated")

    # -- estimates

    def _work(self, candidate: Candidate) -> Work:
        return work_of(candidate.function, candidate.binding, self._sizes[candidate.graph])

    def _likely_sizes(self, graph: GraphFunction, offered: Sequence[Candidate]) -> Mapping[Var, int]:
        """Return sizes of the dimensions of ``graph`` at which no call takes long."""
        own = [candidate for candidate in offered if candidate.graph is graph]
        size = SIZE
        while True:
            sizes = sizes_of(graph, self._context, size)
            works = (work_of(each.function, each.binding, sizes) for each in own)
            longest = max((likely_seconds(each, self._context.target, recognised=True) for each in works), default=0.0)
            if size == 1 or longest <= SECONDS:
                return sizes
            size //= 2

    def _shares_of_time(self) -> dict[str, float]:
        """Return the share of each function in the likely time of all calls."""
        times: dict[str, float] = {}
        for graph, crossings in self.crossings.items():
            for binding in graph.bindings:
                if not isinstance(binding.operation, CallDps):
                    continue
                function = self._module.tensor(binding.operation.function)
                work = work_of(function, binding, self._sizes[graph])
                seconds = likely_seconds(work, self._context.target, recognised=crossings.recognised(function))
                times[function.name] = times.get(function.name, 0.0) + seconds
        total = sum(times.values()) or 1.0
        return {name: seconds / total for name, seconds in times.items()}

    # -- measurements

    def _measured(self, candidate: Candidate, library: str, sizes: Mapping[Var, int]) -> tuple[float, float] | None:
        """Return the seconds of generated code and of the library, each with what generated code would join."""
        followers = self.crossings[candidate.graph].neighbours.followers(candidate.binding)
        calls = [candidate.binding, *followers]
        key = (library, tuple(_structure(binding) for binding in calls), tuple(sizes.items()))
        if key not in self._measurements:
            if self._left == 0 or self._context.trials is None:
                return None
            self._left -= 1
            own = place(candidate.function, library, candidate.offers[library])
            modules = [excerpt(calls, self._module, sizes, each) for each in (candidate.function, own)]
            times = self._context.trials.times(modules, self._pass)
            self._measurements[key] = None if times is None else (times[0].computing, _total(times[1]))
        return self._measurements[key]


def _total(times: Times) -> float:
    return times.computing + times.moving


def _structure(binding: Binding) -> tuple[object, ...]:
    call = binding.operation
    assert isinstance(call, CallDps)
    kinds = tuple((isinstance(atom, ConstantRef), atom.type) for atom in call.args)
    return (call.function, call.scalars, kinds)
