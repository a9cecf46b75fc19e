"""``graph.dead_code``: what no result depends on disappears: bindings, functions, constants.

Effects stay: a packed call that is not pure is kept, in order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Binding,
    CallDps,
    CallGraph,
    CallPacked,
    ConstantRef,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    Invoke,
    IRModule,
    LoopRegion,
    Node,
    walk,
)
from tondo_passes.graph.calls import with_operation

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True)
class DeadCode:
    """Remove unused bindings, functions and constants."""

    name: ClassVar[str] = "graph.dead_code"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` without what is unused."""
        del context
        worker = _Worker(_functions_with_effects(module))
        return prune(module.with_functions(worker.function(function) for function in module.graph_functions()))


@dataclass(frozen=True, slots=True)
class _Worker:
    effects: frozenset[str]
    """Graph functions that have an effect."""

    def function(self, function: GraphFunction) -> GraphFunction:
        live = {atom for atom in function.results if isinstance(atom, GraphVar)}
        return replace(function, bindings=self._live(function.bindings, live))

    def _live(self, bindings: tuple[Binding, ...], live: set[GraphVar]) -> tuple[Binding, ...]:
        kept: list[Binding] = []
        for binding in reversed(bindings):
            if live.isdisjoint(binding.vars) and not _has_effect(binding, self.effects):
                continue
            operation = binding.operation
            if isinstance(operation, IfRegion):
                operation = replace(operation, then=self._region(operation.then), orelse=self._region(operation.orelse))
            elif isinstance(operation, LoopRegion):
                operation = replace(operation, body=self._region(operation.body))
            live.update(item for item in walk(operation) if isinstance(item, GraphVar))
            kept.append(with_operation(binding, operation))
        return tuple(reversed(kept))

    def _region(self, region: GraphRegion) -> GraphRegion:
        live = {atom for atom in region.results if isinstance(atom, GraphVar)}
        return replace(region, bindings=self._live(region.bindings, live))


def _has_effect(node: Node, functions: frozenset[str]) -> bool:
    return any(
        item.effect != "pure"
        if isinstance(item, CallPacked)
        else isinstance(item, CallGraph) and item.function in functions
        for item in walk(node)
    )


def _functions_with_effects(module: IRModule) -> frozenset[str]:
    found: frozenset[str] = frozenset()
    while True:
        more = frozenset(function.name for function in module.graph_functions() if _has_effect(function, found))
        if more == found:
            return found
        found = more


def prune(module: IRModule, entry: str = "main") -> IRModule:
    """Return ``module`` without the functions and constants that ``entry`` does not reach."""
    reached: set[str] = set()
    constants: set[str] = set()
    pending = [entry] if entry in module.functions else list(module.functions)
    while pending:
        name = pending.pop()
        if name in reached or name not in module.functions:
            continue
        reached.add(name)
        for item in walk(module.functions[name]):
            if isinstance(item, ConstantRef):
                constants.add(item.name)
            callee = _callee(item)
            if callee is not None:
                pending.append(callee)
    functions = {name: function for name, function in module.functions.items() if name in reached}
    kept = {name: data for name, data in module.constants.items() if name in constants}
    return IRModule(functions, kept, module.attrs)


def _callee(item: Node) -> str | None:
    match item:
        case CallDps(function=name) | CallGraph(function=name):
            return name
        case Invoke(callee=name, packed=False):
            return name
        case _:
            return None
