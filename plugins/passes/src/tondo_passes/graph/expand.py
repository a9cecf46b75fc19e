"""``graph.expand``: operators that are composed of others become calls of graph functions.

Before (``com.acme.gate`` says that it is ``x * sigmoid(x)``)::

    def main(x: (n, 8)):
        y = call("com.acme.gate", x)
        return (y,)

After::

    def main(x: (n, 8)):
        y = call_graph("com_acme_gate", x)
        return (y,)


    def com_acme_gate(x: (n, 8)):
        t = call("sigmoid", x)
        result = call("mul", x, t)
        return (result,)

Equal uses share one function; ``graph.inline_calls`` puts it in the place of each. Refuses (TND-B004) operators that
are composed of themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.diagnostics import fail
from tondo.ir import Binding, Call, CallGraph, GraphFunction, IRModule, OpCall, rewrite
from tondo_passes.graph.names import NameSupply

if TYPE_CHECKING:
    from tondo.ir import Node
    from tondo.passes import PassContext


@dataclass(frozen=True)
class Expand:
    """Replace operators that are composed of others."""

    name: ClassVar[str] = "graph.expand"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` without composed operators."""
        if all(operator.expand is None for operator in context.operators.values()):
            return module
        worker = _Expander(module, context)
        graphs = {function.name: worker.function(function) for function in module.graph_functions()}
        changed = [function for name, function in graphs.items() if function is not module.functions[name]]
        return module.with_functions([*changed, *worker.made.values()]) if changed else module


class _Expander:
    def __init__(self, module: IRModule, context: PassContext) -> None:
        self._operators = context.operators
        self._fresh = NameSupply(module.functions)
        self._open: list[str] = []
        self.made: dict[OpCall, GraphFunction] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        found = rewrite(function, self._changed)
        assert isinstance(found, GraphFunction)
        return found

    def _changed(self, node: Node) -> Node:
        if not isinstance(node, Binding) or not isinstance(node.operation, Call):
            return node
        call = node.operation
        operator = self._operators.get(call.op)
        if operator is None or operator.expand is None:
            return node
        return replace(node, operation=CallGraph(self._expanded(call), call.args))

    def _expanded(self, call: Call) -> str:
        use = OpCall(call.op, tuple(arg.tensor for arg in call.args), call.attrs)
        found = self.made.get(use)
        if found is not None:
            return found.name
        if call.op in self._open:
            path = " -> ".join([*self._open[self._open.index(call.op) :], call.op])
            fail("TND-B004", f"the operator '{call.op}' is composed of itself: {path}")
        expand = self._operators[call.op].expand
        assert expand is not None
        self._open.append(call.op)
        name = self._fresh(call.op)
        made = replace(self.function(expand(use, self._operators)), name=name)
        self._open.pop()
        self.made[use] = made
        return name
