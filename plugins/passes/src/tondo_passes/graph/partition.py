"""``graph.partition``: calls that a library runs better than generated code, or is asked to run, go to that library.

Before::

    y = call_dps(matmul, x, w)

After::

    y = call_dps(matmul_openblas, x, w)  # the same function, with library="openblas", call="...", attributes={...}

Later passes leave such a function alone; at code generation its library compiles it, or its packed function is called
(see :mod:`tondo.passes.library`). ``library`` says how far libraries go, ``libraries`` the same for single ones:

* ``never``: they are not asked;
* ``auto``: they run what takes less time that way, by measurement on this machine if that is the target, else by what
  both sides estimate; products that tiles compute go by measurement alone. The price of crossing counts: copies
  between arrangements, and fusions that are lost;
* ``prefer``: they run whatever they take.

``require`` lists explicit requests, ``{library: NAME}`` with any of ``function``, ``source`` (patterns of names) and
``kind`` (of a stage, such as ``contraction``). A request that cannot be granted is an error (TND-B006).

The decision is made over the whole graph, in rounds: each round prices every call that is still generated under the
decisions made so far, and gives those to a library that gain. A price only falls when a neighbour goes to the same
library, so a gain once found stays one, and the rounds end: after at most as many as there are calls. What pays only
for several calls at once, and for none of them by itself, is not found.

Every call that a library made an offer for stands in the module's report (:mod:`tondo.passes.placement`), with the
decision, the reason, and both times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from tondo.diagnostics import fail, suggest
from tondo.ir import CallDps
from tondo.passes.library import place
from tondo.passes.placement import GENERATED, Placement, merged, with_placements
from tondo_passes.graph.calls import with_operation
from tondo_passes.graph.functions import Functions
from tondo_passes.graph.offers import REQUEST_KEYS, Candidate, ask, grant
from tondo_passes.graph.weigh import Scales, Verdict

if TYPE_CHECKING:
    from tondo.ir import Binding, GraphFunction, GraphVar, IRModule
    from tondo.passes import PassContext

Mode = Literal["auto", "prefer", "never"]


@dataclass(frozen=True)
class Partition:
    """Give calls to libraries.

    ``library``: how far they go; ``libraries``: the same by name; ``require``: explicit requests; ``measure``:
    ``native`` measures where the target is this machine, ``never`` goes by estimates; ``most_measured``: functions that
    are measured at most, those with the most work first.
    """

    name: ClassVar[str] = "graph.partition"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})
    library: Mode = "auto"
    libraries: Mapping[str, Mode] = field(default_factory=dict[str, Mode])
    require: tuple[Mapping[str, str], ...] = ()
    measure: Literal["native", "never"] = "native"
    most_measured: int = 16

    def __post_init__(self) -> None:
        """Refuse requests of another form.

        Raises:
            ValueError: with the reason.
        """
        for request in self.require:
            odd = sorted(set(request) - set(REQUEST_KEYS))
            if odd or "library" not in request:
                msg = f"a request has the keys {', '.join(REQUEST_KEYS)}, of which 'library' is needed, not {odd}"
                raise ValueError(msg)

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with calls given to libraries, and the report."""
        modes = self._modes(context)
        asked = [context.libraries[name] for name, mode in sorted(modes.items()) if mode != "never"]
        if not asked:
            return module
        candidates = ask(module, asked, context.target)
        grant(self.require, candidates)
        offered = [candidate for candidate in candidates if candidate.offers]
        if not offered:
            return module
        most = self.most_measured if self.measure == "native" else 0
        scales = Scales(module, context, self.name, most, offered)
        decided: dict[Candidate, list[Verdict]] = {}
        for graph in module.graph_functions():
            own = [candidate for candidate in offered if candidate.graph is graph]
            if own:
                decided.update(_decide(own, modes, scales))
        return _rewritten(module, decided)

    def _modes(self, context: PassContext) -> dict[str, Mode]:
        """Return the mode of every library of the target.

        Raises:
            TondoError: TND-C004 for a name that is none of theirs and is preferred or requested.
        """
        wanted = {name for name, mode in self.libraries.items() if mode == "prefer"}
        wanted.update(request["library"] for request in self.require)
        for name in sorted(wanted - set(context.libraries)):
            fail(
                "TND-C004",
                f"there is no library '{name}' for the target",
                notes=[f"libraries for {context.target.kind}: {', '.join(sorted(context.libraries)) or 'none'}"],
                help=suggest(name, context.libraries) or "install the package that brings it",
            )
        modes: dict[str, Mode] = {name: self.libraries.get(name, self.library) for name in context.libraries}
        for request in self.require:
            if modes[request["library"]] == "never":
                modes[request["library"]] = "auto"
        return modes


def _decide(candidates: list[Candidate], modes: Mapping[str, Mode], scales: Scales) -> dict[Candidate, list[Verdict]]:
    """Return for every candidate of one graph what was found for each library that offered; the first one counts."""
    found: dict[Candidate, list[Verdict]] = {}
    values: dict[str, set[GraphVar]] = {name: set() for name in modes}
    open_ = sorted(candidates, key=lambda candidate: -scales.work(candidate))
    while open_:
        placed: list[Candidate] = []
        for candidate in open_:
            verdicts = [scales.weigh(candidate, name, modes[name], values[name]) for name in sorted(candidate.offers)]
            found[candidate] = sorted(verdicts, key=lambda verdict: verdict.order)
            if found[candidate][0].taken:
                values[found[candidate][0].library].update(candidate.binding.vars)
                placed.append(candidate)
        if not placed:
            break
        open_ = [candidate for candidate in open_ if candidate not in placed]
    return {candidate: found[candidate] for candidate in candidates}


def _rewritten(module: IRModule, decided: Mapping[Candidate, list[Verdict]]) -> IRModule:
    """Return ``module`` with placed functions in place of those that go to libraries, and the report."""
    functions = Functions(module)
    names: dict[tuple[str, str], str] = {}
    changed: dict[Binding, Binding] = {}
    rows: list[Placement] = []
    for candidate, verdicts in decided.items():
        first, name = verdicts[0], candidate.function.name
        if first.taken:
            key = (candidate.function.name, first.library)
            if key not in names:
                made = place(candidate.function, first.library, candidate.offers[first.library])
                names[key] = functions.add(replace(made, name=f"{made.name}_{first.library}")).name
            name = names[key]
            call = candidate.call
            changed[candidate.binding] = with_operation(candidate.binding, CallDps(name, call.args, call.scalars))
        runs = first.library if first.taken else GENERATED
        rows.extend(verdict.row(name, runs, candidate.binding.source or "") for verdict in verdicts)
    graphs = [_with_calls(graph, changed) for graph in module.graph_functions()]
    return with_placements(module.with_functions([*graphs, *functions.made.values()]), merged(rows))


def _with_calls(graph: GraphFunction, changed: Mapping[Binding, Binding]) -> GraphFunction:
    if not any(binding in changed for binding in graph.bindings):
        return graph
    bindings = tuple(changed.get(binding, binding) for binding in graph.bindings)
    return replace(graph, bindings=bindings)
