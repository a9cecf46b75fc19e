"""``graph.layout``: every tensor is stored in the arrangement that the functions around it wish.

Schedule rules state wishes for the parameters of the functions that they recognise (channels last, packed weights).
This pass assigns arrangements over the whole graph, in the order of the graph:

* a constant argument gets the wished arrangement at once: the copy is an operation on a constant, which folding
  evaluates at compile time;
* a function with a wish for its result yields it in that arrangement;
* a function without wishes whose axes keep their places (elementwise, pooling, concatenation ...) passes the
  arrangement of its operands on to its result;
* any other function reads its operands in whatever arrangement they have: its index maps absorb it;
* a copy is inserted only where arrangements meet that differ, for what is no loop nest, and for results of the graph,
  which keep their names;
* a wish that a function cannot follow (its schedule primitive refuses) is passed over.

Before::

    t = call_dps(conv, x, w)  # x, t: N C H W
    y = call_dps(relu, t)

After::

    x2 = call_dps(relayout, x)  # N H W C
    w2 = call_dps(relayout, w)  # packed
    t = call_dps(conv, x2, w2)  # N H W K
    y2 = call_dps(relu, t)  # N H W K
    y = call_dps(restore, y2)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from tondo.diagnostics import TondoError
from tondo.ir import (
    Atom,
    Binding,
    CallDps,
    Const,
    ConstantRef,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    TensorType,
    walk,
)
from tondo_passes.graph.arrange import arrange, is_aligned
from tondo_passes.graph.calls import as_operation, scalars_of, value_names, with_operation
from tondo_passes.graph.common_subexpressions import replace_atoms
from tondo_passes.graph.names import NameSupply
from tondo_passes.rules import rules_that
from tondo_schedule.facts import stages_of
from tondo_schedule.layout import IndexMap, LayoutWish, relayout, restore

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
        wishing = rules_that(Wishing, context)
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
    origin: dict[GraphVar, GraphVar] = field(default_factory=dict[GraphVar, GraphVar])
    """The plain value that an arranged result stands for."""
    copies: dict[tuple[Atom, IndexMap | None], Atom] = field(default_factory=dict[tuple[Atom, "IndexMap | None"], Atom])
    bindings: list[Binding] = field(default_factory=list[Binding])


class _Worker:
    def __init__(self, module: IRModule, rules: Sequence[Wishing], target: Target) -> None:
        self._module = module
        self._rules = rules
        self._target = target
        self._fresh = NameSupply(module.functions)
        self._wishes: dict[str, tuple[LayoutWish, ...]] = {}
        self._copies: dict[tuple[TensorType, IndexMap, bool], TensorFunction] = {}
        self._variants: dict[tuple[str, tuple[IndexMap | None, ...]], TensorFunction | None] = {}
        self.made: dict[str, TensorFunction] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        graph = _Graph(NameSupply(value_names(function)))
        for binding in function.bindings:
            self._binding(binding, graph)
        results = tuple(
            self._plain(graph.renamed.get(atom, atom), graph) if isinstance(atom, GraphVar) else atom
            for atom in function.results
        )
        return replace(function, bindings=tuple(graph.bindings), results=results)

    def _binding(self, binding: Binding, graph: _Graph) -> None:
        call = as_operation(replace_atoms(binding.operation, graph.renamed, {}))
        binding = with_operation(binding, call)
        if not isinstance(call, CallDps) or len(binding.vars) != 1:
            used = dict.fromkeys(item for item in walk(call) if isinstance(item, GraphVar) and item in graph.maps)
            plain = {item: self._plain(item, graph) for item in used}
            graph.bindings.append(with_operation(binding, as_operation(replace_atoms(call, plain, {}))))
            return
        function = self._module.tensor(call.function)
        if not self._granted(binding, call, function, graph):
            self._passed_on(binding, call, function, graph)

    def _wishes_of(self, function: TensorFunction) -> tuple[LayoutWish, ...]:
        if function.name not in self._wishes:
            found = (tuple(rule.wishes(function, self._target)) for rule in self._rules)
            self._wishes[function.name] = next((wishes for wishes in found if wishes), ())
        return self._wishes[function.name]

    # -- functions with wishes

    def _granted(self, binding: Binding, call: CallDps, function: TensorFunction, graph: _Graph) -> bool:
        """Arrange the arguments as wished, if there are wishes; arguments without a wish are taken plain."""
        wished = {
            wish.parameter: wish.index_map for wish in self._wishes_of(function) if not wish.index_map.is_identity
        }
        if not self._wishes_of(function):
            return False
        arranged: list[IndexMap | None] = []
        for position, arg in enumerate(call.args):
            index_map = wished.get(position)
            free = index_map is None or not is_packed(index_map) or isinstance(arg, ConstantRef)
            arranged.append(index_map if free else None)
        arranged.append(wished.get(len(call.args)))
        made = self._variant(function, arranged)
        if made is None:
            return False
        args = [self._arranged(arg, index_map, graph) for arg, index_map in zip(call.args, arranged[:-1], strict=True)]
        self._emit(binding, call, made, args, arranged[-1], graph)
        return True

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
            output = made.output_buffers[0]
            copy = GraphVar(graph.fresh(f"{plain.name}_arranged"), TensorType(output.shape, output.dtype))
            graph.bindings.append(Binding((copy,), CallDps(made.name, (plain,), made.scalars)))
            graph.maps[copy] = index_map
            graph.copies[key] = copy
            graph.copies[copy, None] = plain
        return graph.copies[key]

    def _plain(self, atom: Atom, graph: _Graph) -> Atom:
        """Return ``atom`` in its plain arrangement, through a copy if needed."""
        index_map = graph.maps.get(atom) if isinstance(atom, GraphVar) else None
        if index_map is None or not isinstance(atom, GraphVar):
            return atom
        key = (atom, None)
        if key not in graph.copies:
            plain = graph.origin[atom]
            made = self._copy_function(plain.tensor, index_map, back=True)
            graph.bindings.append(Binding((plain,), CallDps(made.name, (atom,), made.scalars)))
            graph.copies[key] = plain
        return graph.copies[key]

    def _copy_function(self, type_: TensorType, index_map: IndexMap, *, back: bool) -> TensorFunction:
        """Return the copy of a tensor of plain ``type_`` into an arrangement or ``back`` from it."""
        key = (type_, index_map, back)
        if key not in self._copies:
            make = restore if back else relayout
            self._copies[key] = self._add(make(type_, index_map, self._fresh("restore" if back else "relayout")))
        return self._copies[key]

    # -- functions without wishes

    def _passed_on(self, binding: Binding, call: CallDps, function: TensorFunction, graph: _Graph) -> None:
        """Let ``function`` read its operands as they are, and yield its result like them where its axes allow it."""
        maps = [graph.maps.get(arg) if isinstance(arg, GraphVar) else None for arg in call.args]
        chosen = next((index_map for index_map in maps if index_map is not None), None)
        if chosen is None:
            graph.bindings.append(binding)
            return
        stages = stages_of(function)
        ways: list[tuple[list[IndexMap | None], IndexMap | None]] = []
        if stages is not None and all(is_aligned(stage, chosen.rank) for stage in stages):
            pairs = zip(call.args, maps, strict=True)
            ways.append(([chosen if _follows(arg, chosen) else have for arg, have in pairs], chosen))
        if stages is not None:
            ways.append((maps, None))
        ways.append(([None] * len(maps), None))
        for wanted, result in ways:
            made = self._variant(function, [*wanted, result])
            if made is not None:
                args = [self._arranged(arg, index_map, graph) for arg, index_map in zip(call.args, wanted, strict=True)]
                self._emit(binding, call, made, args, result, graph)
                return

    def _variant(self, function: TensorFunction, arranged: Sequence[IndexMap | None]) -> TensorFunction | None:
        """Return ``function`` with its parameters arranged (inputs, then the output); None if it refuses."""
        if all(index_map is None for index_map in arranged):
            return function
        key = (function.name, tuple(arranged))
        if key not in self._variants:
            try:
                made = arrange(function, arranged)
            except TondoError:
                self._variants[key] = None
            else:
                self._variants[key] = self._add(replace(made, name=self._fresh(function.name)))
        return self._variants[key]

    def _add(self, function: TensorFunction) -> TensorFunction:
        self.made[function.name] = function
        return function

    def _emit(
        self,
        binding: Binding,
        call: CallDps,
        made: TensorFunction,
        args: Sequence[Atom],
        result: IndexMap | None,
        graph: _Graph,
    ) -> None:
        """Append the call of ``made``, a variant of what ``call`` calls, whose result is arranged by ``result``."""
        operation = CallDps(made.name, tuple(args), scalars_of(made, self._module.tensor(call.function), call))
        if result is None:
            graph.bindings.append(with_operation(binding, operation))
            return
        (old,) = binding.vars
        kind = TensorType(result.new_shape(old.tensor.dims), old.tensor.dtype)
        new = GraphVar(graph.fresh(f"{old.name}_arranged"), kind)
        graph.maps[new] = result
        graph.renamed[old] = new
        graph.origin[new] = old
        graph.bindings.append(Binding((new,), operation, binding.source, binding.span))


def is_packed(index_map: IndexMap) -> bool:
    """Whether the map does more than permute axes; that pays only where it costs nothing at run time."""
    return any(part.role != "whole" for part in index_map.parts)


def _follows(arg: Atom, index_map: IndexMap) -> bool:
    """Whether ``arg`` is better read in the arrangement of its neighbours."""
    return arg.tensor.rank == index_map.rank and not _is_small(arg.tensor)


def _is_small(type_: TensorType) -> bool:
    """Whether all dimensions but one are 1 (a broadcast operand, better read as it is)."""
    return sum(extent != Const(1) for extent in type_.dims) <= 1
