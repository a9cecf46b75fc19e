"""``graph.fold_constants``: operations on constants are computed at compile time.

Before::

    w2 = call_dps(transpose, w)  # w: constant

After::

    w2: constant

Works before *define* (operators) and after it (tensor functions). Evaluation is the context's: compiled code where a
code generator is at hand, the reference interpreter otherwise. Leaves alone what would make much of little (an
``expand`` of a scalar): more than ``max_bytes`` and more than an eighth beyond the arguments, which padded weights may
take; calls of foreign functions; and results with symbolic dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from tondo.ir import (
    Atom,
    Binding,
    Call,
    CallDps,
    Const,
    ConstantData,
    ConstantRef,
    GraphFunction,
    GraphVar,
    IRModule,
    OpCall,
    ShapeValue,
    TensorFunction,
    TensorType,
)
from tondo_passes.graph.calls import as_operation, with_operation
from tondo_passes.graph.common_subexpressions import replace_atoms
from tondo_passes.graph.names import NameSupply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tondo.ir import Operation
    from tondo.passes import PassContext

_SHARE: Final = 8


@dataclass(frozen=True)
class FoldConstants:
    """Evaluate what depends on constants only. ``max_bytes``: growth over the arguments that is always permitted."""

    name: ClassVar[str] = "graph.fold_constants"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()
    max_bytes: int = 1 << 20

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with constant operations of its graph functions evaluated."""
        constants = dict(module.constants)
        fresh = NameSupply(constants)
        graphs = [self._function(function, module, constants, fresh, context) for function in module.graph_functions()]
        return module.with_functions(graphs).with_constants(constants)

    def _function(
        self,
        function: GraphFunction,
        module: IRModule,
        constants: dict[str, ConstantData],
        fresh: NameSupply,
        context: PassContext,
    ) -> GraphFunction:
        known: dict[GraphVar, Atom] = {}
        kept: list[Binding] = []
        for binding in function.bindings:
            current = with_operation(binding, as_operation(replace_atoms(binding.operation, known, {})))
            values = self._evaluate(current, module, constants, context)
            if values is None:
                kept.append(current)
                continue
            for var, value in zip(current.vars, values, strict=True):
                name = fresh(var.name)
                constants[name] = value
                known[var] = ConstantRef(name, value.type)
        results = tuple(known.get(atom, atom) if isinstance(atom, GraphVar) else atom for atom in function.results)
        return replace(function, bindings=tuple(kept), results=results)

    def _evaluate(
        self, binding: Binding, module: IRModule, constants: Mapping[str, ConstantData], context: PassContext
    ) -> list[ConstantData] | None:
        operation = binding.operation
        if isinstance(operation, ShapeValue):
            return _shape_value(operation)
        function = _definition(operation, module, context)
        if function is None or function.scalars or not isinstance(operation, (Call, CallDps)):
            return None
        refs = [arg for arg in operation.args if isinstance(arg, ConstantRef)]
        if len(refs) != len(operation.args):
            return None
        sizes = [_bytes(var) for var in binding.vars]
        taken = sum(constants[ref.name].array.nbytes for ref in refs)
        growth = max(self.max_bytes, taken // _SHARE)
        if any(size is None for size in sizes) or sum(size or 0 for size in sizes) > taken + growth:
            return None
        outputs = context.evaluate(function, [constants[ref.name].array for ref in refs])
        return [ConstantData(np.asarray(output)) for output in outputs]


def _definition(operation: Operation, module: IRModule, context: PassContext) -> TensorFunction | None:
    if isinstance(operation, CallDps):
        return None if operation.scalars else module.tensor(operation.function)
    if isinstance(operation, Call) and operation.op in context.operators:
        if not all(isinstance(arg, ConstantRef) for arg in operation.args):
            return None
        return context.operators[operation.op].definition(
            OpCall(operation.op, tuple(arg.tensor for arg in operation.args), operation.attrs)
        )
    return None


def _bytes(var: GraphVar) -> int | None:
    if not isinstance(var.type, TensorType) or var.type.shape is None:
        return None
    count = var.type.dtype.bytes
    for extent in var.type.shape:
        if not isinstance(extent, Const):
            return None
        count *= int(extent.value)
    return count


def _shape_value(operation: ShapeValue) -> list[ConstantData] | None:
    numbers = [int(extent.value) for extent in operation.dims if isinstance(extent, Const)]
    if len(numbers) != len(operation.dims):
        return None
    array = np.array(numbers, np.int64)
    return [ConstantData(array.reshape(()) if operation.scalar else array)]
