"""``graph.layout``: every tensor is stored in the arrangement that the functions around it wish.

Schedule rules state wishes for the parameters of the functions that they recognise (channels last, packed weights).
This pass assigns arrangements over the whole graph, in the order of the graph:

* a constant argument gets the wished arrangement at once: the copy is an operation on a constant, which folding
  evaluates at compile time;
* a function with a wish for its result yields it in that arrangement;
* a function without wishes whose axes keep their places (elementwise, pooling, concatenation ...) passes the arrangement
  of its operands on to its result;
* any other function reads its operands in whatever arrangement they have: its index maps absorb it;
* a copy is inserted only where a wish meets another arrangement, and for results of the graph.

Before::

    t = call_dps(conv, x, w)          # x, t: N C H W
    y = call_dps(relu, t)

After::

    x2 = call_dps(relayout, x)        # N H W C
    w2 = call_dps(relayout, w)        # packed
    t  = call_dps(conv, x2, w2)       # N H W K
    y2 = call_dps(relu, t)            # N H W K
    y  = call_dps(restore, y2)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from tondo.ir import (
    Allocate, Atom, Binding, Buffer, CallDps, Const, ConstantRef, GraphFunction, GraphVar, IRModule, Node, TensorFunction, TensorType, Var,
    walk,
)
from tondo_passes.graph.common_subexpressions import replace_atoms
from tondo_passes.graph.names import NameSupply
from tondo_schedule.facts import Stage, stages_of
from tondo_schedule.layout import IndexMap, LayoutWish, relayout, restore, transform_layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo.passes import PassContext
    from tondo.target import Target


@runtime_checkable
class Wishing(Protocol):
    """A schedule rule that has wishes."""

    def wishes(self, function: TensorFunction, target: Target) -> Sequence[LayoutWish]:
        """Return how ``function`` would like its buffer parameters arranged; empty if the rule does not know it."""
        ...


@dataclass(frozen=True)
class Layout:
    """Assign arrangements to tensors by the wishes of schedule rules."""

    name: ClassVar[str] = "graph.layout"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with arrangements assigned in its graph functions."""
        rules = sorted(context.rules.values(), key=lambda rule: (-rule.priority, rule.name))
        wishing = [rule for rule in rules if isinstance(rule, Wishing)]
        if not wishing:
            return module
        worker = _Worker(module, wishing, context.target)
        graphs = [worker.function(function) for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.made.values()])


@dataclass
class _Graph:
    """The state of one graph function: the arrangement of its values and the copies made so far."""

    fresh: NameSupply
    maps: dict[GraphVar, IndexMap] = field(default_factory=dict[GraphVar, IndexMap])
    renamed: dict[GraphVar, Atom] = field(default_factory=dict[GraphVar, Atom])
    copies: dict[tuple[Atom, IndexMap | None], Atom] = field(default_factory=dict[tuple[Atom, "IndexMap | None"], Atom])
    bindings: list[Binding] = field(default_factory=list[Binding])


class _Worker:
    def __init__(self, module: IRModule, rules: Sequence[Wishing], target: Target) -> None:
        self._module = module
        self._rules = rules
        self._target = target
        self._fresh = NameSupply(module.functions)
        self._wishes: dict[str, tuple[LayoutWish, ...]] = {}
        self.made: dict[object, TensorFunction] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        names = [var.name for binding in function.bindings for var in binding.vars]
        graph = _Graph(NameSupply([*names, *(param.name for param in function.params)]))
        for binding in function.bindings:
            self._binding(binding, graph)
        results = tuple(self._plain(graph.renamed.get(atom, atom), graph) if isinstance(atom, GraphVar) else atom
                        for atom in function.results)
        return replace(function, bindings=tuple(graph.bindings), results=results)

    def _binding(self, binding: Binding, graph: _Graph) -> None:
        operation = replace_atoms(binding.operation, graph.renamed, {})
        binding = replace(binding, operation=operation)  # type: ignore[arg-type]  # an operation stays one
        call = binding.operation
        if not isinstance(call, CallDps) or len(binding.vars) != 1:
            plain = {
                item: self._plain(item, graph) for item in walk(call) if isinstance(item, GraphVar) and item in graph.maps
            }
            changed = replace_atoms(call, plain, {})
            graph.bindings.append(replace(binding, operation=changed))  # type: ignore[arg-type]
            return
        function = self._module.tensor(call.function)
        wishes = self._wishes_of(function)
        if wishes:
            self._granted(binding, call, function, wishes, graph)
        else:
            self._passed_on(binding, call, function, graph)

    def _wishes_of(self, function: TensorFunction) -> tuple[LayoutWish, ...]:
        if function.name not in self._wishes:
            found = (tuple(rule.wishes(function, self._target)) for rule in self._rules)
            self._wishes[function.name] = next((wishes for wishes in found if wishes), ())
        return self._wishes[function.name]

    # -- functions with wishes

    def _granted(
        self, binding: Binding, call: CallDps, function: TensorFunction, wishes: tuple[LayoutWish, ...], graph: _Graph
    ) -> None:
        """Arrange the arguments as wished; arguments without a wish are taken plain."""
        wished = {wish.parameter: wish.index_map for wish in wishes if not wish.index_map.is_identity}
        count = len(function.input_buffers)
        args: list[Atom] = []
        arranged: list[IndexMap | None] = []
        for position, arg in enumerate(call.args):
            index_map = wished.get(position)
            if index_map is not None and _is_packed(index_map) and not isinstance(arg, ConstantRef):
                index_map = None
            args.append(self._arranged(arg, index_map, graph))
            arranged.append(index_map)
        arranged.append(wished.get(count))
        self._emit(binding, call, function, args, arranged, graph)

    def _arranged(self, arg: Atom, index_map: IndexMap | None, graph: _Graph) -> Atom:
        have = graph.maps.get(arg) if isinstance(arg, GraphVar) else None
        if have == index_map:
            return arg
        plain = self._plain(arg, graph)
        if index_map is None:
            return plain
        key = (plain, index_map)
        if key not in graph.copies:
            made = self._copy_function(plain.tensor, index_map, back=False)
            copy = self._call_copy(f"{plain.name}_arranged", plain, made, graph)
            graph.maps[copy] = index_map
            graph.copies[key] = copy
        return graph.copies[key]

    def _plain(self, atom: Atom, graph: _Graph) -> Atom:
        """Return ``atom`` in its plain arrangement, through a copy if needed."""
        index_map = graph.maps.get(atom) if isinstance(atom, GraphVar) else None
        if index_map is None:
            return atom
        key = (atom, None)
        if key not in graph.copies:
            made = self._copy_function(_plain_type(atom.tensor, index_map), index_map, back=True)
            graph.copies[key] = self._call_copy(f"{atom.name}_plain", atom, made, graph)
        return graph.copies[key]

    def _copy_function(self, type_: TensorType, index_map: IndexMap, *, back: bool) -> TensorFunction:
        key = (type_, index_map, back)
        if key not in self.made:
            make = restore if back else relayout
            self.made[key] = make(type_, index_map, self._fresh("restore" if back else "relayout"))
        return self.made[key]

    def _call_copy(self, name: str, source: Atom, function: TensorFunction, graph: _Graph) -> GraphVar:
        output = function.output_buffers[0]
        var = GraphVar(graph.fresh(name), TensorType(output.shape, output.dtype))
        graph.bindings.append(Binding((var,), CallDps(function.name, (source,), function.scalars)))
        return var

    # -- functions without wishes

    def _passed_on(self, binding: Binding, call: CallDps, function: TensorFunction, graph: _Graph) -> None:
        maps = [graph.maps.get(arg) if isinstance(arg, GraphVar) else None for arg in call.args]
        chosen = next((index_map for index_map in maps if index_map is not None), None)
        if chosen is None:
            graph.bindings.append(binding)
            return
        stages = stages_of(function)
        output = function.output_buffers[0]
        keeps = stages is not None and output.rank == chosen.rank and all(_aligned(stage, chosen.rank) for stage in stages)
        args = list(call.args)
        arranged: list[IndexMap | None] = list(maps)
        if keeps:
            for position, arg in enumerate(args):
                if arg.tensor.rank == chosen.rank and maps[position] != chosen and not _is_small(arg.tensor):
                    args[position] = self._arranged(arg, chosen, graph)
                    arranged[position] = chosen
        arranged.append(chosen if keeps else None)
        self._emit(binding, call, function, args, arranged, graph)

    def _emit(
        self,
        binding: Binding,
        call: CallDps,
        function: TensorFunction,
        args: list[Atom],
        arranged: list[IndexMap | None],
        graph: _Graph,
    ) -> None:
        """Append the call of ``function`` with its parameters arranged (inputs, then the output)."""
        key = (function.name, tuple(arranged))
        if all(index_map is None for index_map in arranged):
            graph.bindings.append(replace(binding, operation=replace(call, args=tuple(args))))
            return
        if key not in self.made:
            self.made[key] = replace(arrange(function, arranged), name=self._fresh(function.name))
        made = self.made[key]
        (old,) = binding.vars
        new = old
        if arranged[-1] is not None:
            output = made.output_buffers[0]
            new = GraphVar(graph.fresh(f"{old.name}_arranged"), TensorType(output.shape, output.dtype))
            graph.maps[new] = arranged[-1]
            graph.renamed[old] = new
        graph.bindings.append(Binding((new,), CallDps(made.name, tuple(args), made.scalars), binding.source, binding.span))


def arrange(function: TensorFunction, arranged: Sequence[IndexMap | None]) -> TensorFunction:
    """Return ``function`` with its buffer parameters in other arrangements.

    Allocations whose axes correspond to those of a permuted parameter are permuted with it.

    Args:
        function: in compute form.
        arranged: one map per buffer parameter, None for those that stay.
    """
    buffers = function.buffers
    work = [(buffer, index_map) for buffer, index_map in zip(buffers, arranged, strict=True) if index_map is not None]
    spread: dict[Buffer, IndexMap] = {}
    stages = stages_of(function) or ()
    local = {item.buffer for item in walk(function.body) if isinstance(item, Allocate)}
    for buffer, index_map in work:
        if all(part.role == "whole" for part in index_map.parts):
            for other in _connected(buffer, stages, local, index_map.rank):
                spread.setdefault(other, index_map)
    for buffer, index_map in [*work, *spread.items()]:
        function = transform_layout(function, buffer, index_map)
    return function


def _connected(buffer: Buffer, stages: Sequence[Stage], local: set[Buffer], rank: int) -> list[Buffer]:
    """Return the allocations that aligned stages connect with ``buffer``."""
    found: list[Buffer] = []
    pending = [buffer]
    while pending:
        current = pending.pop()
        for stage in stages:
            if not _aligned(stage, rank):
                continue
            ends = {stage.output, *(access.buffer for access in stage.reads)}
            if current not in ends:
                continue
            for other in ends:
                if other in local and other.rank == rank and other not in found and other != buffer:
                    found.append(other)
                    pending.append(other)
    return sorted(found, key=lambda item: item.name)


def _aligned(stage: Stage, rank: int) -> bool:
    """Whether every axis of the operands of full rank follows the same axis of the output, or a reduction."""
    if stage.kind == "opaque" or stage.output.rank != rank:
        return False
    places = {index: axis for axis, index in enumerate(stage.store.indices) if isinstance(index, Var)}
    for access in stage.reads:
        if access.buffer.rank != rank:
            continue
        for axis, index in enumerate(access.indices):
            used = {places[item] for item in _vars(index) if item in places}
            if used - {axis}:
                return False
    return True


def _vars(node: Node) -> set[Var]:
    return {item for item in walk(node) if isinstance(item, Var)}


def _is_packed(index_map: IndexMap) -> bool:
    """Whether the map does more than permute axes; that pays only where it costs nothing at run time."""
    return any(part.role != "whole" for part in index_map.parts)


def _plain_type(type_: TensorType, index_map: IndexMap) -> TensorType:
    """Return the type before ``index_map``, which is a permutation."""
    shape = list(type_.dims)
    for part, extent in zip(index_map.parts, type_.dims, strict=True):
        shape[part.axis] = extent
    return TensorType(tuple(shape), type_.dtype)


def _is_small(type_: TensorType) -> bool:
    """Whether all dimensions but one are 1 (a broadcast operand, better read as it is)."""
    return sum(extent != Const(1) for extent in type_.dims) <= 1
