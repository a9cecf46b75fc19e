"""``graph.inline_calls``: calls of graph functions are replaced by what these do.

Before::

    def main(x: (n, 8)):
        y = call_graph("twice", x)
        return (y,)


    def twice(a: (k, 8)):
        b = call("add", a, a)
        return (b,)

After::

    def main(x: (n, 8)):
        y = call("add", x, x)
        return (y,)

Dimensions of the function called are those of the arguments; others that it introduces get new names. Where a
parameter or a result is declared in another way than what stands for it, the shape is checked at run time. Inner
functions (see ``graph.outline_regions``) stay. Refuses functions that call themselves (TND-B004).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from tondo.diagnostics import fail
from tondo.ir import (
    Atom,
    Attrs,
    Binding,
    Call,
    CallGraph,
    CallPacked,
    Expr,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    IRModule,
    LoopRegion,
    MatchShape,
    Node,
    TensorType,
    Var,
    rewrite,
    sub,
    substitute,
    unknown_of,
    walk,
)
from tondo_passes.graph.calls import as_operation, value_names, with_operation
from tondo_passes.graph.common_subexpressions import replace_atoms
from tondo_passes.graph.dead_code import expressions_in
from tondo_passes.graph.names import NameSupply

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tondo.ir import AttrValue
    from tondo.passes import PassContext


N = TypeVar("N", bound=Node)


@dataclass(frozen=True)
class InlineCalls:
    """Replace calls of graph functions by their bodies."""

    name: ClassVar[str] = "graph.inline_calls"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset({"inlined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` whose graph functions call inner functions only."""
        del context
        graphs = [function for function in module.graph_functions() if _calls(function, module)]
        return module.with_functions([_Caller(function, module, ()).inlined() for function in graphs])


def _calls(node: Node, module: IRModule) -> bool:
    return any(_is_call(item, module) for item in walk(node))


def _is_call(item: object, module: IRModule) -> bool:
    return isinstance(item, CallGraph) and module.graph(item.function).attrs.get("inner") is not True


class _Caller:
    """A graph function into which calls are inlined; ``path`` are the functions that are being inlined."""

    def __init__(self, function: GraphFunction, module: IRModule, path: tuple[str, ...]) -> None:
        self._function = function
        self._module = module
        self._path = (*path, function.name)
        self._values = NameSupply(value_names(function))
        self._dims = NameSupply(item.name for item in walk(function) if isinstance(item, Var))
        self._known: dict[GraphVar, Atom] = {}

    def inlined(self) -> GraphFunction:
        bindings = self._bindings(self._function.bindings)
        return replace(self._function, bindings=bindings, results=self._atoms(self._function.results))

    def _atoms(self, atoms: Sequence[Atom]) -> tuple[Atom, ...]:
        return tuple(self._known.get(atom, atom) if isinstance(atom, GraphVar) else atom for atom in atoms)

    def _bindings(self, bindings: Sequence[Binding]) -> tuple[Binding, ...]:
        made: list[Binding] = []
        for binding in bindings:
            operation = as_operation(replace_atoms(binding.operation, self._known, {}))
            match operation:
                case CallGraph() if _is_call(operation, self._module):
                    made.extend(self._call(binding, operation))
                    continue
                case IfRegion(then=then, orelse=orelse):
                    operation = replace(operation, then=self._region(then), orelse=self._region(orelse))
                case LoopRegion(body=body):
                    operation = replace(operation, body=self._region(body))
                case _:
                    pass
            made.append(with_operation(binding, operation))
        return tuple(made)

    def _region(self, region: GraphRegion) -> GraphRegion:
        if not _calls(region, self._module):
            return region
        bindings = self._bindings(region.bindings)
        return GraphRegion(region.params, bindings, self._atoms(region.results))

    def _call(self, binding: Binding, call: CallGraph) -> list[Binding]:
        if call.function in self._path:
            fail("TND-B004", f"the graph function '{call.function}' calls itself")
        callee = self._module.graph(call.function)
        if _calls(callee, self._module):
            callee = _Caller(callee, self._module, self._path).inlined()
        dims = self._dimensions(callee, call)
        made: list[Binding] = []
        atoms: dict[str, Atom | str] = {}
        for param, arg in zip(callee.params, call.args, strict=True):
            atoms[param.name] = self._checked(arg, substitute(param.type, dims), made, param.name, binding)
        for name in dict.fromkeys(value_names(callee)):
            if name not in atoms:
                atoms[name] = self._values(name)
        made.extend(_renamed(item, atoms, dims) for item in callee.bindings)
        for var, result in zip(binding.vars, callee.results, strict=True):
            value = _renamed(result, atoms, dims)
            if value.type == var.type:
                self._known[var] = value
            else:
                made.append(Binding((var,), MatchShape(value, var.tensor.dims), binding.source, binding.span))
        return made

    def _dimensions(self, callee: GraphFunction, call: CallGraph) -> dict[Var, Expr]:
        """Return what the dimensions of ``callee`` are here."""
        dims: dict[Var, Expr] = {}
        for param, arg in zip(callee.params, call.args, strict=True):
            for own, given in zip(param.tensor.dims, arg.tensor.dims, strict=True):
                found = unknown_of(own)
                if found is not None:
                    dims.setdefault(found[0], sub(given, found[1]))
        for item in walk(callee):
            for var in _variables(item):
                if var not in dims:
                    dims[var] = Var(self._dims(var.name), var.dtype)
        return dims

    def _checked(self, arg: Atom, wanted: Node, made: list[Binding], name: str, binding: Binding) -> Atom:
        if not isinstance(wanted, TensorType) or arg.type == wanted:
            return arg
        var = GraphVar(self._values(name), wanted)
        made.append(Binding((var,), MatchShape(arg, wanted.dims), binding.source, binding.span))
        return var


def _renamed(node: N, atoms: Mapping[str, Atom | str], dims: Mapping[Var, Expr]) -> N:
    """Return ``node`` of the function called with its values and dimensions as they are called here."""

    def change(item: Node) -> Node:
        if isinstance(item, GraphVar):
            found = atoms[item.name]
            return replace(item, name=found) if isinstance(found, str) else found
        if isinstance(item, Var):
            return dims.get(item, item)
        if isinstance(item, (Call, CallPacked)) and item.attrs:
            attrs = {name: _in_attribute(value, dims) for name, value in item.attrs.items()}
            return replace(item, attrs=Attrs(attrs))
        return item

    return cast("N", rewrite(node, change))


def _in_attribute(value: AttrValue, dims: Mapping[Var, Expr]) -> AttrValue:
    if isinstance(value, Expr):
        return substitute(value, dims)
    if isinstance(value, tuple):
        return tuple(_in_attribute(item, dims) for item in value)
    if isinstance(value, Attrs):
        return Attrs({name: _in_attribute(item, dims) for name, item in value.items()})
    return value


def _variables(item: Node) -> list[Var]:
    """Return the dimensions that ``item`` names itself."""
    if isinstance(item, Var):
        return [item]
    if isinstance(item, (Call, CallPacked)):
        return [
            var for expr in expressions_in(tuple(item.attrs.values())) for var in walk(expr) if isinstance(var, Var)
        ]
    return []
