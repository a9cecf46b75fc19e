"""``graph.fold_scale``: a constant scale and shift after a contraction with constant weights move into the weights.

Before (a batch normalisation after a convolution, for example)::

    t = call_dps(conv, x, w)                         # w constant
    y = call_dps(norm, t, scale, shift, mean, var)   # affine in t, the rest constant

After::

    t = call_dps(conv, x, w * a)                     # a: the slope of norm, per column of the contraction
    y = call_dps(add_shift, t, b)

Fires by facts: the consumer is elementwise and affine in the contraction's result, everything else that it reads is
constant and varies along the contraction's column axis only. Slope and shift are computed in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tondo.ir import (
    Binding, CallDps, Compute, ConstantData, ConstantRef, GraphFunction, GraphVar, IRModule, TensorFunction, TensorType,
)
from tondo_passes.graph.affine_value import affine_along
from tondo_passes.graph.fuse import uses_of
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
    slope: np.ndarray
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
        return module.with_functions([*graphs, *worker.functions]).with_constants(worker.constants)


class _Folder:
    def __init__(self, module: IRModule, context: PassContext) -> None:
        self._module = module
        self._context = context
        self._fresh_function = NameSupply(module.functions)
        self._fresh_constant = NameSupply(module.constants)
        self.constants = dict(module.constants)
        self.functions: list[TensorFunction] = []

    def function(self, function: GraphFunction) -> GraphFunction:
        uses = uses_of(function)
        made: dict[GraphVar, int] = {}
        bindings: list[Binding] = []
        for binding in function.bindings:
            bindings.append(binding)
            for var in binding.vars:
                made[var] = len(bindings) - 1
            position = self._producer(binding, made, uses, bindings)
            if position is None:
                continue
            match = self._match(bindings[position], binding)
            if match is not None:
                bindings[position], bindings[-1] = self._fold(match, bindings[position], binding)
        return replace(function, bindings=tuple(bindings))

    def _producer(
        self, binding: Binding, made: dict[GraphVar, int], uses: dict[GraphVar, int], bindings: list[Binding]
    ) -> int | None:
        """Return the position of the only computed argument of ``binding``, when nothing else uses it."""
        call = binding.operation
        if not isinstance(call, CallDps) or len(binding.vars) != 1:
            return None
        computed = [arg for arg in call.args if isinstance(arg, GraphVar)]
        if len(computed) != 1 or uses[computed[0]] != 1 or computed[0] not in made:
            return None
        position = made[computed[0]]
        return position if isinstance(bindings[position].operation, CallDps) else None

    def _match(self, producer: Binding, consumer: Binding) -> _Match | None:
        first, second = producer.operation, consumer.operation
        assert isinstance(first, CallDps)  # noqa: S101  checked by _producer
        assert isinstance(second, CallDps)  # noqa: S101
        contraction = self._last_contraction(first)
        if contraction is None:
            return None
        found = _weights(contraction, self._tensor(first.function), first)
        if found is None:
            return None
        weights, argument, weight_axis, column_axis = found
        pair = self._split(second, producer.var, column_axis)
        return None if pair is None else _Match(weights, argument, weight_axis, column_axis, *pair)

    def _last_contraction(self, call: CallDps) -> Stage | None:
        """Return the contraction that yields the result of ``call``, if nothing follows it."""
        function = self._tensor(call.function)
        stages = stages_of(function)
        if not stages or stages[-1].contraction is None or stages[-1].output != function.output_buffers[0]:
            return None
        return stages[-1]

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

    def _fold(self, match: _Match, producer: Binding, consumer: Binding) -> tuple[Binding, Binding]:
        first = producer.operation
        assert isinstance(first, CallDps)  # noqa: S101  checked by _producer
        weights = self.constants[match.weights.name].array
        shape = [1] * weights.ndim
        shape[match.weight_axis] = -1
        scaled = (weights.astype(np.float64) * match.slope.reshape(shape)).astype(weights.dtype)
        ref = self._constant(f"{match.weights.name}_scaled", scaled)
        args = tuple(ref if i == match.weight_argument else arg for i, arg in enumerate(first.args))
        bias = self._constant(f"{match.weights.name}_shift", match.shift.astype(weights.dtype))
        added = self._add_shift(producer.var.tensor, match.column_axis)
        return (
            replace(producer, operation=replace(first, args=args)),
            replace(consumer, operation=CallDps(added.name, (producer.var, bias), added.scalars)),
        )

    def _constant(self, name: str, array: np.ndarray) -> ConstantRef:
        unique = self._fresh_constant(name)
        data = ConstantData(array)
        self.constants[unique] = data
        return ConstantRef(unique, data.type)

    def _tensor(self, name: str) -> TensorFunction:
        """Return the tensor function ``name``: one that this pass has made, or one of the module."""
        made = {function.name: function for function in self.functions}
        return made[name] if name in made else self._module.tensor(name)

    def _add_shift(self, type_: TensorType, axis: int) -> TensorFunction:
        builder = Compute(self._fresh_function("add_shift"))
        x = builder.input("x", type_)
        shift = builder.input("shift", TensorType((type_.dims[axis],), type_.dtype))
        function = builder.build(builder.compute("y", type_.dims, lambda *i: x[i] + shift[i[axis]]))
        self.functions.append(function)
        return function


def _weights(stage: Stage, function: TensorFunction, call: CallDps) -> tuple[ConstantRef, int, int, int] | None:
    """Return (weights, position of the argument, axis in the weights, axis in the output) of one column axis."""
    contraction = stage.contraction
    if contraction is None or len(contraction.n) != 1:
        return None
    column = contraction.n[0].var
    load = contraction.right
    if load.buffer not in function.input_buffers or load.indices.count(column) != 1:
        return None
    argument = function.input_buffers.index(load.buffer)
    weights = call.args[argument]
    if not isinstance(weights, ConstantRef) or call.args.count(weights) != 1 or not weights.type.dtype.is_float:
        return None
    if column not in stage.store.indices:
        return None
    return weights, argument, load.indices.index(column), stage.store.indices.index(column)
