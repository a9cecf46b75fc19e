"""``graph.split_constant_stages``: the part of a tensor function that depends on constants only becomes its own call.

Before::

    y = call_dps(norm, x, scale, var)      # norm: a = scale / sqrt(var); y = x * a       scale, var: constants

After::

    a = call_dps(norm_constant, scale, var)
    y = call_dps(norm, x, a)

so that folding can evaluate it at compile time. Only stages whose output is smaller than ``max_elements`` move.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Allocate, Atom, Binding, Buffer, CallDps, Const, ConstantRef, GraphFunction, GraphVar, IRModule, Stmt, TensorFunction, TensorType, free_vars, seq,
)
from tondo_passes.graph.names import NameSupply
from tondo_schedule.facts import Stage, stages_of

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True)
class SplitConstantStages:
    """Separate constant stages. ``max_elements``: largest output of a stage that moves."""

    name: ClassVar[str] = "graph.split_constant_stages"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})
    max_elements: int = 1 << 20

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with constant stages of its calls separated."""
        del context
        worker = _Splitter(module, self.max_elements)
        graphs = [worker.function(function) for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.made])


class _Splitter:
    def __init__(self, module: IRModule, max_elements: int) -> None:
        self._module = module
        self._limit = max_elements
        self._fresh = NameSupply(module.functions)
        self.made: list[TensorFunction] = []

    def function(self, function: GraphFunction) -> GraphFunction:
        values = NameSupply([var.name for binding in function.bindings for var in binding.vars])
        bindings: list[Binding] = []
        for binding in function.bindings:
            bindings.extend(self._binding(binding, values))
        return replace(function, bindings=tuple(bindings))

    def _binding(self, binding: Binding, values: NameSupply) -> list[Binding]:
        call = binding.operation
        if not isinstance(call, CallDps) or not any(isinstance(arg, ConstantRef) for arg in call.args):
            return [binding]
        function = self._module.tensor(call.function)
        stages = stages_of(function)
        if stages is None or all(isinstance(arg, ConstantRef) for arg in call.args):
            return [binding]
        constant = {
            buffer for buffer, arg in zip(function.input_buffers, call.args, strict=True) if isinstance(arg, ConstantRef)
        }
        moved = self._constant_stages(stages, constant, set(function.output_buffers))
        return [binding] if not moved else self._split(binding, call, function, stages, moved, values)

    def _constant_stages(self, stages: tuple[Stage, ...], known: set[Buffer], results: set[Buffer]) -> list[Stage]:
        moved: list[Stage] = []
        for stage in stages:
            small = _elements(stage.output)
            inputs = {access.buffer for access in stage.reads}
            if stage.output not in results and inputs and inputs <= known and small is not None and small <= self._limit:
                known.add(stage.output)
                moved.append(stage)
        return moved

    def _split(
        self, binding: Binding, call: CallDps, function: TensorFunction, stages: tuple[Stage, ...], moved: list[Stage],
        values: NameSupply,
    ) -> list[Binding]:
        rest = [stage for stage in stages if stage not in moved]
        needed = [stage for stage in moved if any(later.reads_of(stage.output) for later in rest)]
        atoms = dict(zip(function.input_buffers, call.args, strict=True))
        made: list[Binding] = []
        known: dict[Buffer, Atom] = dict(atoms)
        for stage in needed:
            cone = _cone(stage, moved)
            part = _function(self._fresh(f"{function.name}_constant"), cone, stage.output, list(atoms))
            var = GraphVar(values(f"{binding.var.name}_{stage.output.name}"), TensorType(stage.output.shape, stage.output.dtype))
            operation = CallDps(part.name, tuple(atoms[buffer] for buffer in part.input_buffers), part.scalars)
            made.append(Binding((var,), operation, binding.source))
            known[stage.output] = var
            self.made.append(part)
        inputs = [*function.input_buffers, *(stage.output for stage in needed)]
        remainder = _function(self._fresh(function.name), rest, function.output_buffers[0], inputs)
        self.made.append(remainder)
        args = tuple(known[buffer] for buffer in remainder.input_buffers)
        return [*made, replace(binding, operation=CallDps(remainder.name, args, remainder.scalars))]


def _cone(stage: Stage, among: list[Stage]) -> list[Stage]:
    """Return the stages of ``among`` that ``stage`` needs, itself last."""
    wanted = {stage.output}
    found: list[Stage] = []
    for candidate in reversed(among[: among.index(stage) + 1]):
        if candidate.output in wanted:
            found.append(candidate)
            wanted.update(access.buffer for access in candidate.reads)
    return list(reversed(found))


def _function(name: str, stages: list[Stage], result: Buffer, candidates: list[Buffer]) -> TensorFunction:
    """Return the function of ``stages``; its inputs are those of ``candidates`` that they read."""
    nests: list[Stmt] = [stage.loops[0] if stage.loops else stage.block for stage in stages]
    body = seq(*nests)
    read = {access.buffer for stage in stages for access in stage.reads}
    inputs = [buffer for buffer in candidates if buffer in read]
    for stage in reversed(stages):
        if stage.output != result:
            body = Allocate(stage.output, body)
    scalars = free_vars(body, [*inputs, result])
    return TensorFunction(name, (*scalars, *inputs, result), body)


def _elements(buffer: Buffer) -> int | None:
    count = 1
    for extent in buffer.shape:
        if not isinstance(extent, Const):
            return None
        count *= int(extent.value)
    return count
