"""``graph.alias_views``: a copy that keeps the order of all elements shares the memory of its argument.

Before::

    y: Tensor[(n, 12, 64), float32] = call_dps(reshape, x, scalars=(n,))  # x: (n, 768)

After::

    y: Tensor[(n, 12, 64), float32] = reinterpret(x)

Fires where the function of the call only copies and the position of the element that it reads is proven to be the
position of the element that it writes, symbolic dimensions included. Leaves alone the results of the graph function,
which own their memory, and values that a foreign function changes in place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import Binding, CallDps, CallPacked, GraphFunction, GraphVar, IRModule, Reinterpret, walk
from tondo_passes.graph.calls import with_operation
from tondo_passes.graph.copies import copy_of

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True)
class AliasViews:
    """Make copies that change the shape alone views."""

    name: ClassVar[str] = "graph.alias_views"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` whose graph functions copy no tensor only to change its shape."""
        del context
        worker = _Worker(module)
        return module.with_functions(worker.function(function) for function in module.graph_functions())


class _Worker:
    def __init__(self, module: IRModule) -> None:
        self._module = module
        self._known: dict[tuple[object, ...], bool] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        fixed = {atom for atom in function.results if isinstance(atom, GraphVar)}
        if any(isinstance(item, CallPacked) and item.effect == "inplace" for item in walk(function)):
            return function
        bindings = [
            binding if fixed.intersection(binding.vars) else self._binding(binding) for binding in function.bindings
        ]
        return replace(function, bindings=tuple(bindings))

    def _binding(self, binding: Binding) -> Binding:
        call = binding.operation
        if not isinstance(call, CallDps) or len(binding.vars) != 1 or not self._is_view(binding.var, call):
            return binding
        return with_operation(binding, Reinterpret(call.args[0]))

    def _is_view(self, var: GraphVar, call: CallDps) -> bool:
        if len(call.args) != 1 or call.args[0].tensor.dtype != var.tensor.dtype:
            return False
        key = (call.function, call.scalars, call.args[0].type, var.type)
        if key not in self._known:
            copy = copy_of(call, self._module.tensor(call.function))
            self._known[key] = copy is not None and copy.is_view(var.tensor.dims)
        return self._known[key]
