"""``graph.hoist_scale``: a constant factor of an operand of a contraction becomes a factor of its result.

Before::

    t = call_dps(mul, k)  # k * 0.35; k is kept for the next call as well
    y = call_dps(matmul, q, t)

After::

    s = call_dps(matmul, q, k)
    y = call_dps(scale, s)  # s * 0.35; fusion makes it the epilogue of matmul

Fires where the operand is scaled by one literal, the scaled value has no other use, and what is scaled is not computed
for this contraction alone: there the factor costs nothing where it is. The result is float32 or wider, so that it does
not overflow earlier. Refuses contractions that start from anything but zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Atom,
    Binary,
    Binding,
    CallDps,
    Compute,
    Const,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    Load,
    Store,
    TensorType,
)
from tondo_passes.graph.calls import uses_of, value_names
from tondo_passes.graph.copies import copy_of
from tondo_passes.graph.element import element_of
from tondo_passes.graph.functions import Functions
from tondo_passes.graph.names import NameSupply
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from tondo.passes import PassContext

_LEAST_BITS = 32


@dataclass(frozen=True)
class HoistScale:
    """Move constant factors from operands of contractions to their results."""

    name: ClassVar[str] = "graph.hoist_scale"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with factors moved in its graph functions."""
        del context
        functions = Functions(module)
        graphs = [_Hoister(function, functions).function() for function in module.graph_functions()]
        return module.with_functions([*graphs, *functions.made.values()])


class _Hoister:
    def __init__(self, function: GraphFunction, functions: Functions) -> None:
        self._graph = function
        self._functions = functions
        self._uses = uses_of(function)
        self._names = NameSupply(value_names(function))
        self._made: dict[Atom, CallDps] = {}

    def function(self) -> GraphFunction:
        bindings: list[Binding] = []
        for binding in self._graph.bindings:
            if isinstance(binding.operation, CallDps) and len(binding.vars) == 1:
                bindings.extend(self._hoisted(binding, binding.operation))
                self._made[binding.var] = binding.operation
            else:
                bindings.append(binding)
        return replace(self._graph, bindings=tuple(bindings))

    def _hoisted(self, binding: Binding, call: CallDps) -> list[Binding]:
        """Return what stands in place of ``binding``."""
        factors: dict[Atom, tuple[Atom, Expr]] = {}
        for arg in self._operands(binding, call):
            found = self._scaled(arg)
            if found is not None:
                factors[arg] = found
        if not factors:
            return [binding]
        kind = binding.var.tensor
        result = GraphVar(self._names(f"{binding.var.name}_unscaled"), kind)
        args = tuple(factors[arg][0] if arg in factors else arg for arg in call.args)
        first = Binding((result,), replace(call, args=args), binding.source, binding.span)
        builder = Compute("scale")
        x = builder.input("x", kind)

        def value(*index: Expr) -> Expr:
            scaled: Expr = x[index]
            for _, factor in factors.values():
                scaled = scaled * factor
            return scaled

        function = self._functions.add(builder.build(builder.compute("y", kind.dims, value)))
        last = Binding(binding.vars, CallDps(function.name, (result,), function.scalars), binding.source, binding.span)
        return [first, last]

    def _operands(self, binding: Binding, call: CallDps) -> list[Atom]:
        """Return the arguments that the single contraction of ``call`` multiplies."""
        function = self._functions[call.function]
        stages = stages_of(function) or ()
        if len(stages) != 1 or stages[0].contraction is None or not _wide(binding.var.tensor):
            return []
        (stage,) = stages
        init = stage.block.init
        if not isinstance(init, Store) or init.value != Const(0, init.value.dtype):
            return []
        contraction = stage.contraction
        assert contraction is not None
        loads = (contraction.left.buffer, contraction.right.buffer)
        pairs = zip(function.input_buffers, call.args, strict=True)
        return [arg for buffer, arg in pairs if loads.count(buffer) == 1 and call.args.count(arg) == 1]

    def _scaled(self, arg: Atom) -> tuple[Atom, Expr] | None:
        """Return (value, factor) if ``arg`` is their product and the value is not computed for it alone."""
        call = self._made.get(arg)
        if call is None or not isinstance(arg, GraphVar) or self._uses[arg] != 1 or len(call.args) != 1:
            return None
        (source,) = call.args
        if source.tensor != arg.tensor or not _wide(arg.tensor) or self._for_this_alone(source):
            return None
        element = element_of(call, self._functions[call.function])
        if element is None or not isinstance(element.value, Binary) or element.value.op != "mul":
            return None
        a, b = element.value.a, element.value.b
        value, factor = (a, b) if isinstance(b, Const) else (b, a)
        if not isinstance(factor, Const) or not isinstance(value, Load) or tuple(value.indices) != element.point:
            return None
        return source, factor

    def _for_this_alone(self, atom: Atom) -> bool:
        """Whether ``atom`` is computed by a call, and through copies used once only."""
        while (call := self._made.get(atom)) is not None and isinstance(atom, GraphVar) and self._uses[atom] == 1:
            if copy_of(call, self._functions[call.function]) is None:
                return True
            atom = call.args[0]
        return False


def _wide(kind: TensorType) -> bool:
    return kind.dtype.is_float and kind.dtype.bits >= _LEAST_BITS
