"""``graph.own_results``: every result of a graph function is a value that the function computes, each a different one.

A result that is a parameter, a constant, or already a result gets a copy, so that callers can own the memory of all
results.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Atom,
    Binding,
    CallDps,
    Compute,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    MatchShape,
    Reinterpret,
    TensorFunction,
)
from tondo_passes.graph.calls import value_names
from tondo_passes.graph.names import NameSupply

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True)
class OwnResults:
    """Copy results that the function does not own."""

    name: ClassVar[str] = "graph.own_results"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` whose graph functions own their results."""
        del context
        fresh = NameSupply(module.functions)
        made: list[TensorFunction] = []
        graphs = [_function(function, fresh, made) for function in module.graph_functions()]
        return module.with_functions([*graphs, *made])


def _function(function: GraphFunction, fresh: NameSupply, made: list[TensorFunction]) -> GraphFunction:
    views = (MatchShape, Reinterpret)
    renamed = {binding.var for binding in function.bindings if isinstance(binding.operation, views)}
    own = {var for binding in function.bindings for var in binding.vars} - renamed
    names = NameSupply(value_names(function))
    bindings = list(function.bindings)
    results: list[Atom] = []
    for atom in function.results:
        if isinstance(atom, GraphVar) and atom in own and atom not in results:
            results.append(atom)
            continue
        copy = _copy(atom, fresh)
        var = GraphVar(names(f"{atom.name}_copy"), atom.tensor)
        made.append(copy)
        bindings.append(Binding((var,), CallDps(copy.name, (atom,), copy.scalars)))
        results.append(var)
    return replace(function, bindings=tuple(bindings), results=tuple(results))


def _copy(atom: Atom, fresh: NameSupply) -> TensorFunction:
    builder = Compute(fresh("copy"))
    x = builder.input("x", atom.tensor)

    def value(*index: Expr) -> Expr:
        return x[index]

    return builder.build(builder.compute("y", atom.tensor.dims, value))
