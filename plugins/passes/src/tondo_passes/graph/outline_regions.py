"""``graph.outline_regions``: branches and loop bodies become graph functions, so that every pass sees inside them.

Before::

    def main(flag, x, w):
        def then():
            t = call("matmul", x, w)
            return (t,)

        def orelse():
            return (x,)

        y = if_region(flag, then, orelse)
        return (y,)

After::

    def main(flag, x, w):
        def then():
            t = call_graph("main_then", x, w)
            return (t,)

        def orelse():
            t2 = call_graph("main_else", x)
            return (t2,)

        y = if_region(flag, then, orelse)
        return (y,)


    def main_then(x, w):  # attribute inner: dimensions mean what they mean in main
        t = call("matmul", x, w)
        return (t,)

A pass that rewrites the bindings of graph functions need not know of regions then. Functions of this kind have the
attribute ``inner`` and are called once. The values that a region takes from around it become parameters, constants
do not. A loop's condition that stays true stays in the region, and the loop is a counted one; a carried value that
every trip hands on unchanged is not carried any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    EMPTY,
    Atom,
    Binding,
    CallGraph,
    ConstantRef,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    IRModule,
    LoopRegion,
    Operation,
    walk,
)
from tondo_passes.graph.calls import as_operation, value_names, with_operation
from tondo_passes.graph.common_subexpressions import replace_atoms
from tondo_passes.graph.names import NameSupply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tondo.passes import PassContext


@dataclass(frozen=True)
class OutlineRegions:
    """Make graph functions of all regions."""

    name: ClassVar[str] = "graph.outline_regions"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset({"outlined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` whose regions each hold one call of a graph function."""
        del context
        worker = _Worker(module)
        graphs = [worker.function(function) for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.made])


class _Worker:
    def __init__(self, module: IRModule) -> None:
        self._module = module
        self._fresh = NameSupply(module.functions)
        self.made: list[GraphFunction] = []

    def function(self, function: GraphFunction) -> GraphFunction:
        if not any(isinstance(binding.operation, (IfRegion, LoopRegion)) for binding in function.bindings):
            return function
        names = NameSupply(value_names(function))
        known: dict[GraphVar, Atom] = {}
        bindings: list[Binding] = []
        for binding in function.bindings:
            current = with_operation(binding, as_operation(replace_atoms(binding.operation, known, {})))
            bindings.append(self._binding(current, function.name, names, known))
        results = tuple(known.get(atom, atom) if isinstance(atom, GraphVar) else atom for atom in function.results)
        return replace(function, bindings=tuple(bindings), results=results)

    def _binding(self, binding: Binding, owner: str, names: NameSupply, known: dict[GraphVar, Atom]) -> Binding:
        match binding.operation:
            case IfRegion() as branch:
                then = self._outlined(branch.then, f"{owner}_then", names, binding)
                orelse = self._outlined(branch.orelse, f"{owner}_else", names, binding)
                return with_operation(binding, IfRegion(branch.condition, then, orelse))
            case LoopRegion():
                reduced = _without_invariants(binding, known)
                loop = reduced.operation
                assert isinstance(loop, LoopRegion)
                stays = _stays_true(loop, self._module)
                body = self._outlined(loop.body, f"{owner}_body", names, binding, kept=int(stays))
                return with_operation(reduced, replace(loop, body=body))
            case _:
                return binding

    def _outlined(
        self, region: GraphRegion, name: str, names: NameSupply, binding: Binding, kept: int = 0
    ) -> GraphRegion:
        """Return ``region`` as one call of a new function that yields its results except the first ``kept`` ones."""
        if self._is_outlined(region):
            return region
        wanted = region.results[kept:]
        used = _used(region.bindings, wanted)
        own = tuple(param for param in region.params if param in used)
        inside = {var for item in region.bindings for var in item.vars}
        outer = tuple(atom for atom in used if atom not in inside and atom not in own)
        made = GraphFunction(
            self._fresh(name), (*own, *outer), region.bindings, wanted, EMPTY.with_(inner=True), binding.span
        )
        self.made.append(self.function(made))
        results = tuple(GraphVar(names(f"{atom.name}_out"), atom.type) for atom in wanted)
        call = Binding(results, CallGraph(made.name, made.params), binding.source, binding.span)
        return GraphRegion(region.params, (call,), (*region.results[:kept], *results))

    def _is_outlined(self, region: GraphRegion) -> bool:
        call = region.bindings[0].operation if len(region.bindings) == 1 else None
        return isinstance(call, CallGraph) and self._module.graph(call.function).attrs.get("inner") is True


def _used(bindings: Iterable[Binding], results: Iterable[Atom]) -> dict[GraphVar, None]:
    """Return the values that ``bindings`` and ``results`` use and that regions inside do not make, in order."""
    used: dict[GraphVar, None] = {}
    for binding in bindings:
        used.update(dict.fromkeys(_free(binding.operation)))
    used.update(dict.fromkeys(atom for atom in results if isinstance(atom, GraphVar)))
    return used


def _free(operation: Operation) -> list[GraphVar]:
    made: set[GraphVar] = set()
    for item in walk(operation):
        if isinstance(item, GraphRegion):
            made.update(item.params)
            made.update(var for binding in item.bindings for var in binding.vars)
    return [item for item in walk(operation) if isinstance(item, GraphVar) and item not in made]


def _without_invariants(binding: Binding, known: dict[GraphVar, Atom]) -> Binding:
    """Return the loop of ``binding`` without the carried values that stay as they are; ``known`` gets what they are."""
    loop = binding.operation
    assert isinstance(loop, LoopRegion)
    values = loop.body.params[2:]
    fixed: dict[GraphVar, Atom] = {}
    kept: list[int] = []
    for i, (param, atom) in enumerate(zip(values, loop.carried, strict=True)):
        if loop.body.results[1 + i] == param and param.type == atom.type == binding.vars[i].type:
            fixed[param] = known[binding.vars[i]] = atom
        else:
            kept.append(i)
    if not fixed:
        return binding
    body = loop.body
    bindings = tuple(
        with_operation(item, as_operation(replace_atoms(item.operation, fixed, {}))) for item in body.bindings
    )
    scanned = body.results[1 + len(values) :]
    results = (body.results[0], *(body.results[1 + i] for i in kept), *scanned)
    replaced = tuple(fixed.get(atom, atom) if isinstance(atom, GraphVar) else atom for atom in results)
    region = GraphRegion((*body.params[:2], *(values[i] for i in kept)), bindings, replaced)
    operation = LoopRegion(loop.trips, loop.condition, tuple(loop.carried[i] for i in kept), region)
    variables = (*(binding.vars[i] for i in kept), *binding.vars[len(values) :])
    return Binding(variables, operation, binding.source, binding.span)


def _stays_true(loop: LoopRegion, module: IRModule) -> bool:
    """Whether the condition that the body yields is true in every trip."""
    result = loop.body.results[0]
    if isinstance(result, ConstantRef):
        return bool(module.constants[result.name].array.all())
    return result == loop.body.params[1]
