"""Which dimensions may be 0: those for which every operator of the graph still has the results that it was given.

Type rules of operators take a symbolic dimension to be at least 1. So each use is asked again with a dimension of 0 in
its arguments and attributes. If the rule refuses that, or leads to other shapes than those of the graph with the 0 put
in, or a dimension would become negative, the dimension is at least 1 (:meth:`Dimensions.require`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from tondo.diagnostics import TondoError
from tondo.ir import Binding, Call, Const, Expr, GraphFunction, OpCall, Operator, TensorType, Var, substitute, walk
from tondo_onnx.build.dims import Dimensions

_Use = tuple[OpCall, tuple[TensorType, ...]]
"""The use of an operator, and the types of its results."""


def require_sizes(graph: GraphFunction, dims: Dimensions, operators: Mapping[str, Operator]) -> None:
    """Take the dimensions of ``graph`` that cannot be 0 to be at least 1."""
    for use in dict.fromkeys(_uses(graph)):
        _require(use, dims, operators)


def _uses(graph: GraphFunction) -> Iterator[_Use]:
    for item in walk(graph):
        if isinstance(item, Binding) and isinstance(item.operation, Call):
            call = item.operation
            yield (
                OpCall(call.op, tuple(arg.tensor for arg in call.args), call.attrs),
                tuple(v.tensor for v in item.vars),
            )


def _require(use: _Use, dims: Dimensions, operators: Mapping[str, Operator]) -> None:
    call, types = use
    named = call.symbols() | {item for type_ in types for item in walk(type_) if isinstance(item, Var)}
    concerned = [var for var in dims.vanishing if var in named]
    for var in concerned:
        if not _holds(use, (var,), dims, operators):
            dims.require([var])
    while len(several := [var for var in concerned if var in dims.vanishing]) > 1:
        if _holds(use, several, dims, operators):
            return
        dims.require(several[:1])


def _holds(use: _Use, zero: Sequence[Var], dims: Dimensions, operators: Mapping[str, Operator]) -> bool:
    """Whether the types of a use stay right if the dimensions ``zero`` are 0."""
    values: dict[Var, Expr] = dict.fromkeys(zero, Const(0))
    call, types = use[0].with_symbols(values), [substitute(type_, values) for type_ in use[1]]
    wanted = [_forms(type_, dims) for type_ in types]
    try:
        made = [_forms(type_, dims) for type_ in operators[call.op].infer(call)]
    except TondoError:
        return False
    sizes = [dim for shape in (*wanted, *(_forms(arg, dims) for arg in call.args)) for dim in shape]
    return made == wanted and all(dim.value >= 0 for dim in sizes if isinstance(dim, Const))


def _forms(type_: TensorType, dims: Dimensions) -> tuple[Expr, ...]:
    return tuple(dims.form(dim) for dim in type_.dims)
