"""A few calls of a graph function by themselves, on tensors of known sizes, so that they can be compiled and run.

Before: calls one after the other, each the only user of the one before. After: a module whose ``main`` makes them.
Constants stay constants; what else they are given are inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tondo.ir import Atom, Binding, CallDps, Const, ConstantRef, GraphFunction, GraphVar, IRModule, TensorType, Var
from tondo_passes.graph.prices import known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tondo.ir import TensorFunction


def excerpt(bindings: Sequence[Binding], module: IRModule, sizes: Mapping[Var, int], first: TensorFunction) -> IRModule:
    """Return the module of ``bindings``.

    Args:
        bindings: the calls.
        module: where their functions and constants are.
        sizes: of every dimension.
        first: what the first of them calls instead of its function.
    """
    atoms: dict[Atom, Atom] = {}
    params: list[GraphVar] = []
    constants: list[str] = []
    functions: dict[str, TensorFunction] = {first.name: first}
    made: list[Binding] = []

    def given(atom: Atom) -> Atom:
        if isinstance(atom, ConstantRef):
            constants.append(atom.name)
            return atom
        if atom not in atoms:
            params.append(GraphVar(f"x{len(params)}", _fixed(atom.tensor, sizes)))
            atoms[atom] = params[-1]
        return atoms[atom]

    for position, binding in enumerate(bindings):
        call = binding.operation
        assert isinstance(call, CallDps)
        function = first if position == 0 else module.tensor(call.function)
        functions[function.name] = function
        args = tuple(given(atom) for atom in call.args)
        results = tuple(GraphVar(f"y{position}_{i}", _fixed(var.tensor, sizes)) for i, var in enumerate(binding.vars))
        atoms.update(zip(binding.vars, results, strict=True))
        scalars = tuple(Const(known(value, sizes)) for value in call.scalars)
        made.append(Binding(results, CallDps(function.name, args, scalars)))
    graph = GraphFunction("main", tuple(params), tuple(made), made[-1].vars)
    return IRModule.of(
        graph, *functions.values(), constants={name: module.constants[name] for name in dict.fromkeys(constants)}
    )


def _fixed(type_: TensorType, sizes: Mapping[Var, int]) -> TensorType:
    return TensorType(tuple(Const(known(extent, sizes)) for extent in type_.dims), type_.dtype)
