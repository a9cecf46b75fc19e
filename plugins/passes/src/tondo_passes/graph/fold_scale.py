"""``graph.fold_scale``: a constant scale and shift after a contraction with constant weights move into the weights.

Before (a batch normalisation after a convolution, for example)::

    t = call_dps(conv, x, w)  # w constant
    y = call_dps(norm, t, scale, shift, mean, var)  # affine in t, the rest constant

After::

    t = call_dps(conv, x, w * a)  # a: the slope of norm, per column of the contraction
    y = call_dps(add_shift, t, b)

Fires by facts: the consumer is elementwise and affine in the contraction's result, everything else that it reads is
constant and varies along the contraction's column axis only; constant shifts in between (a bias) are scaled as well,
and become one with the new one. Slope and shift are computed in float64. The second call disappears where the shift is
zero. Refuses when nothing is gained (the slope is one), when a value is not finite, when the contraction starts from
anything but zero, or when one of the two calls changes the type.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tondo.ir import (
    Binding,
    CallDps,
    Compute,
    Const,
    ConstantData,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    Store,
    TensorFunction,
    TensorType,
    walk,
)
from tondo_passes.graph.affine_value import affine_along
from tondo_passes.graph.calls import uses_of
from tondo_passes.graph.names import NameSupply
from tondo_schedule.facts import Stage, stages_of

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True, slots=True)
class _Match:
    """A contraction call, the affine call after it, and what links them."""

    weights: ConstantRef
    weight_argument: int
    weight_axis: int
    column_axis: int
    scaled: np.ndarray | None
    """The new weights; None if they stay."""
    shift: np.ndarray


@dataclass(frozen=True, slots=True)
class _Shifted:
    """A value that is the result of the contraction at ``position`` plus ``shift`` along its columns."""

    position: int
    shift: np.ndarray


@dataclass(frozen=True)
class FoldScale:
    """Fold constant scales and shifts into constant weights."""

    name: ClassVar[str] = "graph.fold_scale"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with scales folded in all graph functions."""
        worker = _Folder(module, context)
        graphs = [worker.function(function) for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.functions.values()]).with_constants(worker.constants)


class _Folder:
    def __init__(self, module: IRModule, context: PassContext) -> None:
        self._module = module
        self._context = context
        self._fresh_function = NameSupply(module.functions)
        self._fresh_constant = NameSupply(module.constants)
        self.constants = dict(module.constants)
        self.functions: dict[str, TensorFunction] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        uses = uses_of(function)
        made: dict[GraphVar, int] = {}
        shifted: dict[GraphVar, _Shifted] = {}
        bindings: list[Binding | None] = []
        for binding in function.bindings:
            made.update(dict.fromkeys(binding.vars, len(bindings)))
            bindings.append(binding)
            position = self._producer(binding, made, uses, bindings)
            if position is None:
                continue
            value = _there(bindings[position]).var
            source = shifted.get(value, _Shifted(position, np.zeros(())))
            contraction = _there(bindings[source.position])
            match = self._match(contraction, binding, value, source.shift)
            if match is None:
                continue
            if match.scaled is not None or value in shifted:
                bindings[position] = None  # the shift in between, if it is not the contraction itself, which comes back
                bindings[source.position], bindings[-1] = self._fold(match, contraction, binding)
            if np.any(match.shift):
                shifted[binding.var] = _Shifted(source.position, match.shift)
            else:
                made[binding.var] = source.position
        return replace(function, bindings=tuple(binding for binding in bindings if binding is not None))

    def _producer(
        self, binding: Binding, made: dict[GraphVar, int], uses: dict[GraphVar, int], bindings: list[Binding | None]
    ) -> int | None:
        """Return the position of the only computed argument of ``binding``, when nothing else uses it."""
        call = binding.operation
        if not isinstance(call, CallDps) or len(binding.vars) != 1:
            return None
        computed = [arg for arg in call.args if isinstance(arg, GraphVar)]
        if len(computed) != 1 or uses[computed[0]] != 1 or computed[0] not in made:
            return None
        position = made[computed[0]]
        producer = _there(bindings[position])
        return position if isinstance(producer.operation, CallDps) and len(producer.vars) == 1 else None

    def _match(self, producer: Binding, consumer: Binding, value: GraphVar, before: np.ndarray) -> _Match | None:
        """Return how ``consumer`` folds into ``producer`` when it reads ``value``: the product plus ``before``."""
        first, second = producer.operation, consumer.operation
        assert isinstance(first, CallDps)
        assert isinstance(second, CallDps)
        contraction = self._last_contraction(first)
        if contraction is None:
            return None
        found = _weights(contraction, self._tensor(first.function), first)
        if found is None:
            return None
        weights, argument, weight_axis, column_axis = found
        if producer.var.type != consumer.var.type or weights.type.dtype != producer.var.tensor.dtype:
            return None
        pair = self._split(second, value, column_axis)
        if pair is None or not np.all(np.isfinite(pair)):
            return None
        slope, shift = pair[0], pair[0] * before + pair[1]
        if np.all(slope == 1):
            return _Match(weights, argument, weight_axis, column_axis, None, shift) if np.any(shift) else None
        scaled = self._scaled(weights, weight_axis, slope)
        return None if scaled is None else _Match(weights, argument, weight_axis, column_axis, scaled, shift)

    def _scaled(self, ref: ConstantRef, axis: int, slope: np.ndarray) -> np.ndarray | None:
        """Return the weights times ``slope`` along ``axis``; None where that leaves the range of their dtype."""
        weights = self.constants[ref.name].array
        shape = [1] * weights.ndim
        shape[axis] = -1
        with np.errstate(all="ignore"):
            scaled = (weights.astype(np.float64) * slope.reshape(shape)).astype(weights.dtype)
        finite = np.isfinite(weights.astype(np.float64)) == np.isfinite(scaled.astype(np.float64))
        return scaled if np.all(finite) else None

    def _last_contraction(self, call: CallDps) -> Stage | None:
        """Return the contraction that yields the result of ``call``, if nothing follows it."""
        function = self._tensor(call.function)
        stages = stages_of(function)
        if not stages or function.outputs != 1 or stages[-1].output != function.output_buffers[0]:
            return None
        return stages[-1] if stages[-1].contraction is not None and _starts_at_zero(stages[-1]) else None

    def _split(self, call: CallDps, value: GraphVar, axis: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return (slope, shift) of ``call`` along ``axis`` in float64; None if it is not affine in ``value`` there."""
        function = self._tensor(call.function)
        stages = stages_of(function)
        if not stages or any(stage.kind != "elementwise" for stage in stages):
            return None
        if call.args.count(value) != 1 or not stages[-1].output.dtype.is_float:
            return None
        parameter = function.input_buffers[call.args.index(value)]
        arrays = {
            buffer: self.constants[arg.name].array
            for buffer, arg in zip(function.input_buffers, call.args, strict=True)
            if isinstance(arg, ConstantRef)
        }
        return affine_along(stages, parameter, arrays, axis)

    def _fold(self, match: _Match, producer: Binding, consumer: Binding) -> tuple[Binding, Binding | None]:
        """Return what stands in place of ``producer``, the contraction, and of ``consumer``."""
        first = producer.operation
        assert isinstance(first, CallDps)
        folded = producer
        if match.scaled is not None:
            ref = self._constant(f"{match.weights.name}_scaled", match.scaled)
            args = tuple(ref if i == match.weight_argument else arg for i, arg in enumerate(first.args))
            folded = replace(producer, operation=replace(first, args=args))
        if not np.any(match.shift):
            return replace(folded, vars=consumer.vars), None
        kind = producer.var.tensor
        shift = self._constant(f"{match.weights.name}_shift", match.shift.astype(kind.dtype.numpy))
        added = self._add_shift(kind, match.column_axis)
        return folded, replace(consumer, operation=CallDps(added.name, (producer.var, shift), added.scalars))

    def _constant(self, name: str, array: np.ndarray) -> ConstantRef:
        unique = self._fresh_constant(name)
        data = ConstantData(array)
        self.constants[unique] = data
        return ConstantRef(unique, data.type)

    def _tensor(self, name: str) -> TensorFunction:
        """Return the tensor function ``name``: one that this pass has made, or one of the module."""
        made = self.functions.get(name)
        return self._module.tensor(name) if made is None else made

    def _add_shift(self, type_: TensorType, axis: int) -> TensorFunction:
        builder = Compute(self._fresh_function("add_shift"))
        x = builder.input("x", type_)
        shift = builder.input("shift", TensorType((type_.dims[axis],), type_.dtype))

        def value(*index: Expr) -> Expr:
            return x[index] + shift[index[axis]]

        function = builder.build(builder.compute("y", type_.dims, value))
        self.functions[function.name] = function
        return function


def _there(binding: Binding | None) -> Binding:
    """Return a binding that has not been folded away."""
    assert binding is not None
    return binding


def _starts_at_zero(stage: Stage) -> bool:
    init = stage.block.init
    return isinstance(init, Store) and init.value == Const(0, init.value.dtype)


def _weights(stage: Stage, function: TensorFunction, call: CallDps) -> tuple[ConstantRef, int, int, int] | None:
    """Return (weights, position of the argument, axis in the weights, axis in the output) of one column axis."""
    contraction = stage.contraction
    if contraction is None or len(contraction.n) != 1:
        return None
    column = contraction.n[0].var
    load = contraction.right
    if load.buffer not in function.input_buffers or load.indices.count(column) != 1 or load.predicate is not None:
        return None
    if sum(column in set(walk(index)) for index in load.indices) != 1:
        return None
    if sum(access.buffer == load.buffer for other in stages_of(function) or () for access in other.reads) != 1:
        return None
    argument = function.input_buffers.index(load.buffer)
    weights = call.args[argument]
    if not isinstance(weights, ConstantRef) or call.args.count(weights) != 1 or not weights.type.dtype.is_float:
        return None
    if column not in stage.store.indices:
        return None
    return weights, argument, load.indices.index(column), stage.store.indices.index(column)
