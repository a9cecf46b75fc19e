"""``graph.dead_code``: what no result depends on disappears: bindings, functions, constants.

Effects stay: a packed call that is not pure is kept, in order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Binding, CallDps, CallGraph, CallPacked, ConstantRef, GraphFunction, GraphRegion, GraphVar, IfRegion, IRModule, LoopRegion,
    Node, walk,
)
from tondo.ir import Invoke

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
        return prune(module.with_functions(_function(function) for function in module.graph_functions()))


def _function(function: GraphFunction) -> GraphFunction:
    live = {atom for atom in function.results if isinstance(atom, GraphVar)}
    return replace(function, bindings=_live_bindings(function.bindings, live))


def _live_bindings(bindings: tuple[Binding, ...], live: set[GraphVar]) -> tuple[Binding, ...]:
    kept: list[Binding] = []
    for binding in reversed(bindings):
        if not _has_effect(binding) and live.isdisjoint(binding.vars):
            continue
        operation = binding.operation
        if isinstance(operation, IfRegion):
            operation = replace(operation, then=_region(operation.then), orelse=_region(operation.orelse))
        elif isinstance(operation, LoopRegion):
            operation = replace(operation, body=_region(operation.body))
        binding = binding if operation is binding.operation else replace(binding, operation=operation)  # noqa: PLW2901
        live.update(item for item in walk(operation) if isinstance(item, GraphVar))
        kept.append(binding)
    return tuple(reversed(kept))


def _region(region: GraphRegion) -> GraphRegion:
    live = {atom for atom in region.results if isinstance(atom, GraphVar)}
    return replace(region, bindings=_live_bindings(region.bindings, live))


def _has_effect(binding: Binding) -> bool:
    return any(isinstance(item, CallPacked) and item.effect != "pure" for item in walk(binding.operation))


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
