"""``graph.define``: operators become calls of tensor functions.

Before::

    y: Tensor[(n, 64), float32] = relu(x)

After::

    y: Tensor[(n, 64), float32] = call_dps(relu, x, scalars=(n,))

with the tensor function ``relu(n, x, y)`` in the module, as the operator library defines it. From here on no pass
knows an operator's name. Equal uses share one function. Refuses operators that the library does not define
(TND-M003), all of them at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.diagnostics import fail
from tondo.ir import (
    INT64,
    Binding,
    Buffer,
    Call,
    CallDps,
    Const,
    GraphFunction,
    GraphRegion,
    IfRegion,
    IRModule,
    LoopRegion,
    OpCall,
    Operation,
    Seq,
    ShapeValue,
    Store,
    TensorFunction,
    dims,
    free_vars,
    seq,
)
from tondo_passes.graph.names import NameSupply

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True)
class Define:
    """Replace operator calls by calls of their definitions."""

    name: ClassVar[str] = "graph.define"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Define every operator of every graph function of ``module``."""
        _refuse_unknown(module, context)
        worker = _Definer(module, context)
        graphs = [worker.function(function) for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.made.values(), *worker.shapes])


class _Definer:
    def __init__(self, module: IRModule, context: PassContext) -> None:
        self._operators = context.operators
        self._fresh = NameSupply(module.functions)
        self.made: dict[OpCall, TensorFunction] = {}
        self.shapes: list[TensorFunction] = []

    def function(self, function: GraphFunction) -> GraphFunction:
        return replace(function, bindings=tuple(self._binding(binding) for binding in function.bindings))

    def _binding(self, binding: Binding) -> Binding:
        return replace(binding, operation=self._operation(binding.operation))

    def _region(self, region: GraphRegion) -> GraphRegion:
        return replace(region, bindings=tuple(self._binding(binding) for binding in region.bindings))

    def _operation(self, operation: Operation) -> Operation:
        match operation:
            case Call():
                return self._call(operation)
            case ShapeValue():
                return self._shape_value(operation)
            case IfRegion():
                return replace(operation, then=self._region(operation.then), orelse=self._region(operation.orelse))
            case LoopRegion():
                return replace(operation, body=self._region(operation.body))
            case _:
                return operation

    def _shape_value(self, value: ShapeValue) -> CallDps:
        """Return the call of a function that writes the dimension expressions of ``value``."""
        name = self._fresh("shape_value")
        output = Buffer("shape", () if value.scalar else dims((len(value.dims),)), INT64)
        stores = [Store(output, () if value.scalar else (Const(i),), extent) for i, extent in enumerate(value.dims)]
        body = seq(*stores) if stores else Seq(())
        scalars = free_vars(body, [])
        self.shapes.append(TensorFunction(name, (*scalars, output), body))
        return CallDps(name, (), scalars)

    def _call(self, call: Call) -> CallDps:
        use = OpCall(call.op, tuple(arg.tensor for arg in call.args), call.attrs)
        function = self.made.get(use)
        if function is None:
            function = replace(self._operators[call.op].definition(use), name=self._fresh(call.op))
            self.made[use] = function
        return CallDps(function.name, call.args, function.scalars)


def _refuse_unknown(module: IRModule, context: PassContext) -> None:
    counts: Counter[str] = Counter()
    for function in module.graph_functions():
        for binding in all_bindings(function.bindings):
            if isinstance(binding.operation, Call) and binding.operation.op not in context.operators:
                counts[binding.operation.op] += 1
    if counts:
        listing = [f"{op}: used {count} times" for op, count in counts.most_common()]
        fail(
            "TND-M003",
            f"{len(counts)} operators have no definition",
            notes=listing,
            help="install a plugin that registers them, or register them yourself (register_ops)",
        )


def all_bindings(bindings: tuple[Binding, ...]) -> list[Binding]:
    """Return ``bindings`` and those of the regions inside them, in order."""
    found: list[Binding] = []
    for binding in bindings:
        found.append(binding)
        match binding.operation:
            case IfRegion(then=then, orelse=orelse):
                found.extend(all_bindings(then.bindings))
                found.extend(all_bindings(orelse.bindings))
            case LoopRegion(body=body):
                found.extend(all_bindings(body.bindings))
            case _:
                pass
    return found
