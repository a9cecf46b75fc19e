"""``graph.simplify``: algebra on calls of tensor functions.

Three steps for every call, by facts alone:

* a constant argument of one element becomes a literal inside the function (``y = x ** two`` with the constant 2 becomes
  ``y = x ** 2.0``);
* literals simplify the values that the function computes: ``x * 1``, ``x + 0``, ``x / 1``, ``x ** 2 -> x * x``,
  division by a power of two; nothing that changes a result by rounding;
* a call whose function only copies its argument in place, or copies it to and back (two transposes), disappears.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.arith import Analyzer
from tondo.ir import (
    Atom, Binary, Binding, Buffer, CallDps, Cast, Const, ConstantRef, Expr, GraphFunction, GraphVar, Intrin, IRModule, Load, Node,
    Block, Region, TensorFunction, Var, free_vars, is_const, mul, rewrite, substitute,
)
from tondo_passes.graph.common_subexpressions import replace_atoms
from tondo_passes.graph.names import NameSupply
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True)
class SimplifyGraph:
    """Inline literals, simplify values, remove copies."""

    name: ClassVar[str] = "graph.simplify"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with calls of its graph functions simplified."""
        del context
        worker = _Worker(module)
        graphs = [worker.function(function) for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.made.values()])


class _Worker:
    def __init__(self, module: IRModule) -> None:
        self._module = module
        self._fresh = NameSupply(module.functions)
        self.made: dict[tuple[str, tuple[tuple[int, bytes], ...]], TensorFunction] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        known: dict[GraphVar, Atom] = {}
        copied: dict[GraphVar, tuple[Atom, tuple[Var, ...], tuple[Expr, ...]]] = {}
        results = {atom for atom in function.results if isinstance(atom, GraphVar)}
        kept: list[Binding] = []
        for binding in function.bindings:
            operation = replace_atoms(binding.operation, known, {})
            if isinstance(operation, CallDps) and len(binding.vars) == 1:
                operation = self._literals(operation)
                source = self._copied(binding.var, operation, copied)
                if source is not None and binding.var not in results:
                    known[binding.var] = source
                    continue
            kept.append(replace(binding, operation=operation))  # type: ignore[arg-type]
        return replace(function, bindings=tuple(kept))

    def _literals(self, call: CallDps) -> CallDps:
        """Return ``call`` with constants of one element inside its function."""
        scalars = [
            (i, self._module.constants[arg.name].array)
            for i, arg in enumerate(call.args)
            if isinstance(arg, ConstantRef) and arg.type.dtype.is_float | arg.type.dtype.is_integer | arg.type.dtype.is_bool
            and self._module.constants[arg.name].array.size == 1
        ]
        original = self._module.tensor(call.function)
        if stages_of(original) is None:
            return call
        key = (call.function, tuple((i, array.tobytes()) for i, array in scalars))
        function = self.made.get(key)
        if function is None:
            inputs = original.input_buffers
            values = {inputs[i]: Const(array.reshape(()).item(), inputs[i].dtype) for i, array in scalars}
            function = simplified(original, values)
            if function is original:
                return call
            function = replace(function, name=self._fresh(original.name))
            self.made[key] = function
        inlined = {i for i, _ in scalars}
        args = tuple(arg for i, arg in enumerate(call.args) if i not in inlined)
        return CallDps(function.name, args, function.scalars)

    def _copied(
        self, var: GraphVar, call: CallDps, copied: dict[GraphVar, tuple[Atom, tuple[Var, ...], tuple[Expr, ...]]]
    ) -> Atom | None:
        """Return the value that ``var`` equals because it is only copied, None if there is none."""
        function = self._lookup(call.function)
        stages = stages_of(function)
        if stages is None or len(stages) != 1 or len(call.args) != 1:
            return None
        value = stages[0].store.value
        if not isinstance(value, Load) or value.predicate is not None or stages[0].kind not in {"elementwise", "injective"}:
            return None
        point = stages[0].spatial
        atom, indices = call.args[0], value.indices
        if isinstance(atom, GraphVar) and atom in copied:
            atom, variables, inner = copied[atom]
            mapping = dict(zip(variables, indices, strict=True))
            analyzer = Analyzer({it.var: (Const(0), it.extent) for it in point})
            indices = tuple(analyzer.simplify(substitute(index, mapping)) for index in inner)
        copied[var] = (atom, tuple(it.var for it in point), indices)
        same = atom.tensor == var.tensor and indices == tuple(it.var for it in point)
        return atom if same else None

    def _lookup(self, name: str) -> TensorFunction:
        for function in self.made.values():
            if function.name == name:
                return function
        return self._module.tensor(name)


def simplified(function: TensorFunction, values: dict[Buffer, Const]) -> TensorFunction:
    """Return ``function`` with one-element inputs replaced by literals and its values simplified.

    The same object is returned when nothing changes.
    """

    def change(node: Node) -> Node:
        if isinstance(node, Load) and node.buffer in values:
            return values[node.buffer]
        if isinstance(node, Block):
            kept = tuple(region for region in node.reads if not _reads_literal(region))
            return node if len(kept) == len(node.reads) else replace(node, reads=kept)
        return _value(node) if isinstance(node, Expr) and node.dtype.is_float else node

    def _reads_literal(region: Region) -> bool:
        return region.buffer in values

    body = rewrite(function.body, change)
    if body is function.body:
        return function
    buffers = [buffer for buffer in function.buffers if buffer not in values]
    scalars = free_vars(body, buffers)  # type: ignore[arg-type]
    return replace(function, params=(*scalars, *buffers), body=body)  # type: ignore[arg-type]


def _value(node: Expr) -> Expr:
    """Return a floating-point ``node`` simplified by its literal operands, exactly."""
    match node:
        case Binary(op="mul", a=a, b=b) if is_const(b, 1.0):
            return a
        case Binary(op="mul", a=a, b=b) if is_const(a, 1.0):
            return b
        case Binary(op="add" | "sub", a=a, b=Const(value=0.0)) if node.op == "sub" or _negative_zero(node.b):
            return a
        case Binary(op="div", a=a, b=Const(value=divisor)) if _power_of_two(float(divisor)):
            return mul(a, Const(1.0 / float(divisor), node.dtype))
        case Intrin(name="pow", args=(base, Const(value=exponent))):
            return _power(base, float(exponent), node)
        case Cast(a=Const(value=value)) if node.a.dtype.is_integer and abs(value) < 1 << 24:
            return Const(float(value), node.dtype)
        case _:
            return node


def _negative_zero(value: Expr) -> bool:
    return isinstance(value, Const) and math.copysign(1.0, float(value.value)) < 0


def _power_of_two(value: float) -> bool:
    return math.isfinite(value) and value != 0 and math.frexp(abs(value))[0] == 0.5 and 1e-30 < abs(value) < 1e30  # noqa: PLR2004


def _power(base: Expr, exponent: float, node: Expr) -> Expr:
    if exponent == 1.0:
        return base
    if exponent == 2.0:  # noqa: PLR2004
        return mul(base, base)
    return node
