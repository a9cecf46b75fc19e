"""``graph.dead_code``: what no result depends on disappears: bindings, functions, constants.

Effects stay: a packed call that is not pure is kept, in order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Attrs,
    AttrValue,
    BindDims,
    Binding,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    Invoke,
    IRModule,
    LoopRegion,
    MatchShape,
    Node,
    Var,
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
        given = frozenset(item for param in function.params for item in walk(param.type) if isinstance(item, Var))
        return replace(function, bindings=self._live(function.bindings, _used(*function.results), given))

    def _live(
        self, bindings: tuple[Binding, ...], live: set[GraphVar | Var], given: frozenset[Var]
    ) -> tuple[Binding, ...]:
        kept: list[Binding] = []
        for binding in reversed(bindings):
            if live.isdisjoint(_made(binding, given)) and not _has_effect(binding, self.effects):
                continue
            operation = binding.operation
            if isinstance(operation, IfRegion):
                operation = replace(
                    operation, then=self._region(operation.then, given), orelse=self._region(operation.orelse, given)
                )
            elif isinstance(operation, LoopRegion):
                operation = replace(operation, body=self._region(operation.body, given))
            live.update(_used(operation, *binding.vars))
            kept.append(with_operation(binding, operation))
        return tuple(reversed(kept))

    def _region(self, region: GraphRegion, given: frozenset[Var]) -> GraphRegion:
        return replace(region, bindings=self._live(region.bindings, _used(*region.results), given))


def _made(binding: Binding, given: frozenset[Var]) -> tuple[GraphVar | Var, ...]:
    """Return what ``binding`` gives to others: values, and dimensions other than those ``given`` by parameters."""
    operation = binding.operation
    if isinstance(operation, BindDims):
        return tuple(item for dim in operation.dims for item in walk(dim) if isinstance(item, Var))
    if isinstance(operation, MatchShape) and operation.arg.type != binding.var.type:
        known = {item for item in walk(operation.arg.type) if isinstance(item, Var)}
        return (*binding.vars, *(dim for dim in operation.dims if isinstance(dim, Var) and dim not in known | given))
    if isinstance(operation, (CallPacked, IfRegion, LoopRegion)):
        sizes = {item for var in binding.vars for item in walk(var.type) if isinstance(item, Var)}
        return (*binding.vars, *(sizes - given))
    return binding.vars


def _used(*roots: Node) -> set[GraphVar | Var]:
    """Return the values and dimensions that occur in ``roots``, attributes included."""
    found: set[GraphVar | Var] = set()
    for root in roots:
        for item in walk(root):
            if isinstance(item, (GraphVar, Var)):
                found.add(item)
            elif isinstance(item, (Call, CallPacked)):
                found.update(_used(*expressions_in(tuple(item.attrs.values()))))
    return found


def expressions_in(value: AttrValue) -> list[Expr]:
    """Return the expressions in the value of an attribute."""
    if isinstance(value, Expr):
        return [value]
    items = value if isinstance(value, tuple) else tuple(value.values()) if isinstance(value, Attrs) else ()
    return [expr for item in items for expr in expressions_in(item)]


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
