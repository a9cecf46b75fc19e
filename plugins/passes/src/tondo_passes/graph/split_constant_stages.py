"""``graph.split_constant_stages``: the part of a tensor function that depends on constants only becomes its own call.

Before::

    y = call_dps(norm, x, scale, var)  # norm: a = scale / sqrt(var); y = x * a       scale, var: constants

After::

    a = call_dps(norm_constant, scale, var)
    y = call_dps(norm, x, a)

so that folding can evaluate it at compile time. Only stages whose output has at most ``max_elements`` elements move.
Equal uses share their functions. Refuses functions of several results and buffers that several stages write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    EMPTY,
    Allocate,
    Atom,
    Attrs,
    Binding,
    Buffer,
    CallDps,
    Const,
    ConstantRef,
    GraphFunction,
    GraphVar,
    IRModule,
    Stmt,
    TensorFunction,
    TensorType,
    free_vars,
    seq,
)
from tondo_passes.graph.calls import scalars_of, value_names
from tondo_passes.graph.names import NameSupply
from tondo_schedule.facts import Stage, stages_of

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True, slots=True)
class _Parts:
    """A function in parts: what yields each constant stage that the rest needs, and the rest."""

    constant: tuple[tuple[Buffer, TensorFunction], ...]
    rest: TensorFunction


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
        return module.with_functions([*graphs, *worker.made.values()])


class _Splitter:
    def __init__(self, module: IRModule, max_elements: int) -> None:
        self._module = module
        self._limit = max_elements
        self._fresh = NameSupply(module.functions)
        self._parts: dict[tuple[str, frozenset[Buffer]], _Parts | None] = {}
        self.made: dict[str, TensorFunction] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        values = NameSupply(value_names(function))
        bindings: list[Binding] = []
        for binding in function.bindings:
            bindings.extend(self._binding(binding, values))
        return replace(function, bindings=tuple(bindings))

    def _binding(self, binding: Binding, values: NameSupply) -> list[Binding]:
        call = binding.operation
        if not isinstance(call, CallDps) or all(isinstance(arg, ConstantRef) for arg in call.args):
            return [binding]
        function = self._module.tensor(call.function)
        if function.outputs != 1:
            return [binding]
        atoms: dict[Buffer, Atom] = dict(zip(function.input_buffers, call.args, strict=True))
        constant = frozenset(buffer for buffer, arg in atoms.items() if isinstance(arg, ConstantRef))
        key = (call.function, constant)
        if key not in self._parts:
            self._parts[key] = self._split(function, constant)
        parts = self._parts[key]
        return [binding] if parts is None else _calls(binding, call, function, parts, atoms, values)

    def _split(self, function: TensorFunction, constant: frozenset[Buffer]) -> _Parts | None:
        """Return the parts of ``function`` whose inputs ``constant`` are constants; None if nothing can move."""
        stages = stages_of(function)
        moved = [] if stages is None else self._constant_stages(stages, constant, function.output_buffers[0])
        if not stages or not moved:
            return None
        rest = [stage for stage in stages if stage not in moved]
        needed = [stage for stage in moved if any(later.reads_of(stage.output) for later in rest)]
        inputs = list(function.input_buffers)
        made: list[tuple[Buffer, TensorFunction]] = []
        for stage in needed:
            name = self._fresh(f"{function.name}_constant")
            made.append((stage.output, self._add(_function(name, _cone(stage, moved), stage.output, inputs))))
        inputs.extend(stage.output for stage in needed)
        name = self._fresh(function.name)
        return _Parts(tuple(made), self._add(_function(name, rest, function.output_buffers[0], inputs, function.attrs)))

    def _add(self, function: TensorFunction) -> TensorFunction:
        self.made[function.name] = function
        return function

    def _constant_stages(self, stages: tuple[Stage, ...], constant: frozenset[Buffer], result: Buffer) -> list[Stage]:
        known = set(constant)
        written = [stage.output for stage in stages]
        moved: list[Stage] = []
        for stage in stages:
            size, inputs = _elements(stage.output), {access.buffer for access in stage.reads}
            alone = stage.kind != "opaque" and written.count(stage.output) == 1 and stage.output != result
            if alone and inputs and inputs <= known and size is not None and size <= self._limit:
                known.add(stage.output)
                moved.append(stage)
        return moved


def _calls(
    binding: Binding,
    call: CallDps,
    function: TensorFunction,
    parts: _Parts,
    atoms: dict[Buffer, Atom],
    values: NameSupply,
) -> list[Binding]:
    """Return the calls of ``parts`` in place of ``binding``, which calls ``function``."""
    known = dict(atoms)
    made: list[Binding] = []
    for buffer, part in parts.constant:
        var = GraphVar(values(f"{binding.var.name}_{buffer.name}"), TensorType(buffer.shape, buffer.dtype))
        args = tuple(atoms[item] for item in part.input_buffers)
        made.append(Binding((var,), CallDps(part.name, args, scalars_of(part, function, call)), binding.source))
        known[buffer] = var
    rest = parts.rest
    operation = CallDps(rest.name, tuple(known[item] for item in rest.input_buffers), scalars_of(rest, function, call))
    return [*made, replace(binding, operation=operation)]


def _cone(stage: Stage, among: list[Stage]) -> list[Stage]:
    """Return the stages of ``among`` that ``stage`` needs, itself last."""
    wanted = {stage.output}
    found: list[Stage] = []
    for candidate in reversed(among[: among.index(stage) + 1]):
        if candidate.output in wanted:
            found.append(candidate)
            wanted.update(access.buffer for access in candidate.reads)
    return list(reversed(found))


def _function(
    name: str, stages: list[Stage], result: Buffer, candidates: list[Buffer], attrs: Attrs = EMPTY
) -> TensorFunction:
    """Return the function of ``stages``; its inputs are those of ``candidates`` that they read."""
    nests: list[Stmt] = [stage.loops[0] if stage.loops else stage.block for stage in stages]
    body = seq(*nests)
    read = {access.buffer for stage in stages for access in stage.reads}
    inputs = [buffer for buffer in candidates if buffer in read]
    for stage in reversed(stages):
        if stage.output != result:
            body = Allocate(stage.output, body)
    scalars = free_vars(body, [*inputs, result])
    return TensorFunction(name, (*scalars, *inputs, result), body, 1, attrs)


def _elements(buffer: Buffer) -> int | None:
    count = 1
    for extent in buffer.shape:
        if not isinstance(extent, Const):
            return None
        count *= int(extent.value)
    return count
