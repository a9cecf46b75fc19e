"""``graph.simplify``: algebra on calls of tensor functions.

Three steps for every call, by facts alone:

* a constant argument of one element becomes a literal inside the function (``y = x ** two`` with the constant 2
  becomes ``y = x ** 2.0``);
* literals simplify what the function computes, exactly, signed zeros and NaN included: ``x * 1``, ``x - 0``,
  ``x + -0.0`` (but not ``x + 0.0``, which turns -0.0 into 0.0), ``x ** 0``, ``x ** 1``, ``x ** 2 -> x * x``, dividing
  by a power of two;
* a call whose function only copies its argument in place, or copies it to and back (two transposes), disappears, unless
  its value is a result of the graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tondo.ir import (
    Atom,
    Binary,
    Binding,
    Block,
    Buffer,
    CallDps,
    Cast,
    Const,
    ConstantRef,
    DType,
    Expr,
    GraphFunction,
    GraphVar,
    Intrin,
    IRModule,
    Load,
    Node,
    Region,
    Stmt,
    TensorFunction,
    free_vars,
    is_const,
    mul,
    rewrite,
)
from tondo_passes.graph.calls import as_operation, scalars_of, with_operation
from tondo_passes.graph.common_subexpressions import replace_atoms
from tondo_passes.graph.copies import Copy, copy_of
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
        self._variants: dict[tuple[str, tuple[tuple[int, bytes], ...]], str] = {}
        self.made: dict[str, TensorFunction] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        known: dict[GraphVar, Atom] = {}
        copied: dict[Atom, Copy] = {}
        results = {atom for atom in function.results if isinstance(atom, GraphVar)}
        kept: list[Binding] = []
        for binding in function.bindings:
            operation = as_operation(replace_atoms(binding.operation, known, {}))
            if isinstance(operation, CallDps) and len(binding.vars) == 1:
                operation = self._literals(operation)
                source = self._copied(binding.var, operation, copied)
                if source is not None and binding.var not in results:
                    known[binding.var] = source
                    continue
            kept.append(with_operation(binding, operation))
        return replace(function, bindings=tuple(kept))

    def _literals(self, call: CallDps) -> CallDps:
        """Return ``call`` with constants of one element inside its function, whose values are simplified."""
        original = self._lookup(call.function)
        if stages_of(original) is None:
            return call
        small = [
            (i, self._module.constants[arg.name].array)
            for i, arg in enumerate(call.args)
            if isinstance(arg, ConstantRef) and arg.type.dtype.numpy.kind in "biufV" and _has_one_element(arg)
        ]
        key = (call.function, tuple((i, array.tobytes()) for i, array in small))
        if key not in self._variants:
            inputs = original.input_buffers
            literals = {inputs[i]: Const(array.reshape(()).item(), inputs[i].dtype) for i, array in small}
            made = simplified(original, literals)
            if made is not original:
                made = replace(made, name=self._fresh(original.name))
                self.made[made.name] = made
            self._variants[key] = made.name
        function = self._lookup(self._variants[key])
        if function is original:
            return call
        inlined = {i for i, _ in small}
        args = tuple(arg for i, arg in enumerate(call.args) if i not in inlined)
        return CallDps(function.name, args, scalars_of(function, original, call))

    def _copied(self, var: GraphVar, call: CallDps, copied: dict[Atom, Copy]) -> Atom | None:
        """Return the value that ``var`` equals because it is only copied, None if there is none."""
        copy = copy_of(call, self._lookup(call.function))
        if copy is None:
            return None
        if copy.source in copied:
            copy = copy.through(copied[copy.source], var.tensor.dims)
        copied[var] = copy
        return copy.source if copy.source.tensor == var.tensor and copy.indices == copy.variables else None

    def _lookup(self, name: str) -> TensorFunction:
        return self.made[name] if name in self.made else self._module.tensor(name)


def _has_one_element(ref: ConstantRef) -> bool:
    return all(is_const(extent, 1) for extent in ref.type.dims)


def simplified(function: TensorFunction, values: dict[Buffer, Const]) -> TensorFunction:
    """Return ``function`` with one-element inputs replaced by literals and its values simplified.

    The same object is returned when nothing changes.
    """

    def change(node: Node) -> Node:
        if isinstance(node, Load) and node.buffer in values:
            return values[node.buffer]
        if isinstance(node, Block):
            kept = tuple(region for region in node.reads if not reads_literal(region))
            return node if len(kept) == len(node.reads) else replace(node, reads=kept)
        return _value(node) if isinstance(node, Expr) and node.dtype.is_float else node

    def reads_literal(region: Region) -> bool:
        return region.buffer in values

    body = rewrite(function.body, change)
    if body is function.body and not values:
        return function
    assert isinstance(body, Stmt)
    buffers = [buffer for buffer in function.buffers if buffer not in values]
    return replace(function, params=(*free_vars(body, buffers), *buffers), body=body)


def _value(node: Expr) -> Expr:
    """Return a floating-point ``node`` simplified by its literal operands, exactly."""
    match node:
        case Binary(op="mul", a=a, b=b) if is_const(b, 1.0):
            return a
        case Binary(op="mul", a=a, b=b) if is_const(a, 1.0):
            return b
        case Binary(op="add", a=a, b=Const(value=0.0)) if _negative(node.b):
            return a
        case Binary(op="sub", a=a, b=Const(value=0.0)) if not _negative(node.b):
            return a
        case Binary(op="div", a=a, b=b) if is_const(b, 1.0):
            return a
        case Binary(op="div", a=a, b=Const(value=divisor)):
            reciprocal = _exact_reciprocal(float(divisor), node.dtype)
            return node if reciprocal is None else mul(a, reciprocal)
        case Intrin(name="pow", args=(base, Const(value=exponent))):
            return _power(base, float(exponent), node)
        case Cast(a=Const(value=value)) if node.a.dtype.is_integer and _holds(node.dtype, float(value), value):
            return Const(float(value), node.dtype)
        case _:
            return node


def _negative(value: Expr) -> bool:
    return isinstance(value, Const) and math.copysign(1.0, float(value.value)) < 0


def _exact_reciprocal(divisor: float, kind: DType) -> Const | None:
    """Return ``1 / divisor`` if multiplying by it is exactly dividing: a power of two that ``kind`` represents."""
    if not math.isfinite(divisor) or math.frexp(abs(divisor))[0] != 0.5:
        return None
    inverse = 1.0 / divisor
    return Const(inverse, kind) if _holds(kind, inverse, inverse) else None


def _holds(kind: DType, value: float, exact: float) -> bool:
    """Whether ``kind`` represents ``value``, which stands for ``exact``, without rounding."""
    if value != exact or not kind.is_float:
        return False
    with np.errstate(all="ignore"):
        return float(np.asarray(value).astype(kind.numpy)) == value


def _power(base: Expr, exponent: float, node: Expr) -> Expr:
    if exponent == 0.0:
        return Const(1.0, node.dtype)
    if exponent == 1.0:
        return base
    if exponent == 2.0:
        return mul(base, base)
    return node
