"""``sample_plugin.drop_double_negation``: ``neg(neg(x))`` becomes ``x`` in graphs of operators.

Before::

    a = neg(x)
    b = neg(a)
    y = relu(b)

After::

    a = neg(x)
    b = neg(a)
    y = relu(x)

What nobody uses any more is left to ``graph.dead_code``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import Atom, Binding, Call, GraphFunction, IRModule

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True, slots=True)
class DropDoubleNegation:
    """Replace uses of a value that was negated twice. ``operators``: those that are their own inverse."""

    name: ClassVar[str] = "sample_plugin.drop_double_negation"
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})
    ensures: ClassVar[frozenset[str]] = frozenset()
    operators: tuple[str, ...] = ("neg",)

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with such uses replaced in its graph functions."""
        del context
        return module.with_functions([self._rewritten(function) for function in module.graph_functions()])

    def _rewritten(self, function: GraphFunction) -> GraphFunction:
        inverse: dict[Atom, Atom] = {}  # value -> what it is the inverse of
        instead: dict[Atom, Atom] = {}  # value -> an equal value
        bindings: list[Binding] = []
        for binding in function.bindings:
            operation = binding.operation
            if not isinstance(operation, Call):
                bindings.append(binding)
                continue
            args = tuple(instead.get(arg, arg) for arg in operation.args)
            bindings.append(replace(binding, operation=replace(operation, args=args)))
            if operation.op in self.operators and len(args) == 1:
                inverse[binding.var] = args[0]
                if args[0] in inverse:
                    instead[binding.var] = inverse[args[0]]
        results = tuple(instead.get(result, result) for result in function.results)
        return replace(function, bindings=tuple(bindings), results=results)
