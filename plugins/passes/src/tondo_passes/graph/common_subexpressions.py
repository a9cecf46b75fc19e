"""``graph.common_subexpressions``: equal pure operations on equal arguments are computed once.

Also merges constants of equal contents.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Atom,
    Binding,
    CallGraph,
    CallPacked,
    ConstantRef,
    GraphFunction,
    GraphVar,
    IfRegion,
    IRModule,
    LoopRegion,
    Node,
    Operation,
    rewrite,
    walk,
)
from tondo_passes.graph.calls import as_operation, with_operation

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True)
class CommonSubexpressions:
    """Compute equal things once."""

    name: ClassVar[str] = "graph.common_subexpressions"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with repeated operations of its graph functions merged."""
        del context
        same = _equal_constants(module)
        return module.with_functions(_function(function, same) for function in module.graph_functions())


def _equal_constants(module: IRModule) -> dict[str, str]:
    """Return the name to use for each constant that has an equal, earlier one."""
    buckets: dict[object, list[str]] = {}
    same: dict[str, str] = {}
    for name, data in module.constants.items():
        bucket = buckets.setdefault((data.array.shape, data.array.dtype.name), [])
        for other in bucket:
            if module.constants[other] == data:
                same[name] = other
                break
        else:
            bucket.append(name)
    return same


def _function(function: GraphFunction, same: dict[str, str]) -> GraphFunction:
    seen: dict[Operation, tuple[GraphVar, ...]] = {}
    renamed: dict[GraphVar, Atom] = {}
    kept: list[Binding] = []
    for binding in function.bindings:
        operation = as_operation(replace_atoms(binding.operation, renamed, same))
        earlier = seen.get(operation)
        if earlier is not None and [var.type for var in earlier] == [var.type for var in binding.vars]:
            renamed.update(zip(binding.vars, earlier, strict=True))
            continue
        if _pure(operation):
            seen[operation] = binding.vars
        kept.append(with_operation(binding, operation))
    results = tuple(_atom(atom, renamed, same) for atom in function.results)
    return replace(function, bindings=tuple(kept), results=results)


def replace_atoms(node: Node, values: dict[GraphVar, Atom], constants: dict[str, str]) -> Node:
    """Return ``node`` with graph values and names of constants replaced."""
    if not values and not constants:
        return node

    def change(item: Node) -> Node:
        return _atom(item, values, constants) if isinstance(item, (GraphVar, ConstantRef)) else item

    return rewrite(node, change)


def _atom(atom: Atom, values: dict[GraphVar, Atom], constants: dict[str, str]) -> Atom:
    if isinstance(atom, ConstantRef):
        return replace(atom, name=constants[atom.name]) if atom.name in constants else atom
    return values.get(atom, atom)


def _pure(operation: Operation) -> bool:
    if isinstance(operation, (IfRegion, LoopRegion, CallGraph)):
        return False
    return not any(isinstance(item, CallPacked) and item.effect != "pure" for item in walk(operation))
