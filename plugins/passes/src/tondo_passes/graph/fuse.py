"""``graph.fuse``: neighbouring tensor functions become one, where facts say that it saves memory traffic.

Before::

    t = call_dps(conv, x, w)
    y = call_dps(relu, t)

After::

    y = call_dps(conv_relu, x, w)  # t lives inside conv_relu

What is fused, by the facts of the two functions (never by name), when the value between them has no other use:

* an elementwise consumer into whatever produces its operand element by element (epilogue);
* a permutation of the outer axes into the contraction before it, which stores its result in that order;
* an elementwise producer into an elementwise or injective consumer that reads it once (chain);
* a producer that only moves elements (reshape, transpose, relayout) into such a consumer, so that several moves become
  one;
* an elementwise producer into a reduction (prologue).

A fused function has one result. Structurally equal fused functions become one function of the module.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Binding,
    CallDps,
    GraphFunction,
    GraphVar,
    IRModule,
    Load,
    TensorFunction,
    digest,
)
from tondo_passes.graph.calls import uses_of
from tondo_passes.graph.merge import merged, title_of
from tondo_passes.graph.names import NameSupply
from tondo_schedule.facts import Stage, stages_of

if TYPE_CHECKING:
    from collections import Counter

    from tondo.passes import PassContext


@dataclass(frozen=True)
class Fuse:
    """Fuse calls of tensor functions. ``max_ops``: most calls in one fused function."""

    name: ClassVar[str] = "graph.fuse"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"fused"})
    max_ops: int = 64

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with calls of its graph functions fused."""
        del context
        maker = _Maker(module)
        graphs = [_fuse(function, module, maker, self.max_ops) for function in module.graph_functions()]
        return module.with_functions([*graphs, *maker.made.values()])


@dataclass(eq=False)
class _Group:
    """Calls that will be one function; the last one yields the result."""

    members: list[Binding]
    stages: list[Stage] = field(default_factory=list)

    @property
    def result(self) -> GraphVar:
        return self.members[-1].var

    @property
    def elementwise(self) -> bool:
        return all(stage.kind == "elementwise" for stage in self.stages)

    @property
    def moves(self) -> bool:
        """Whether every stage copies elements from one place that does not depend on data."""
        return all(
            isinstance(stage.store.value, Load) and all(access.pattern != "gather" for access in stage.reads)
            for stage in self.stages
        )

    @property
    def maps(self) -> bool:
        return all(stage.kind in {"elementwise", "injective"} for stage in self.stages)

    @property
    def has_reduction(self) -> bool:
        return any(stage.kind in {"reduction", "contraction"} for stage in self.stages)


def _fuse(function: GraphFunction, module: IRModule, maker: _Maker, max_ops: int) -> GraphFunction:
    uses = uses_of(function)
    group_of: dict[GraphVar, _Group] = {}
    order: list[_Group | Binding] = []
    for binding in function.bindings:
        group = _start(binding, module)
        if group is None:
            order.append(binding)
            continue
        for producer in _producers(binding, group_of, uses):
            if len(producer.members) + len(group.members) <= max_ops and _worth(producer, group, binding, module):
                order.remove(producer)
                group = _Group([*producer.members, *group.members], [*producer.stages, *group.stages])
        group_of[group.result] = group
        order.append(group)
    bindings = [item if isinstance(item, Binding) else maker.call(item, module) for item in order]
    return replace(function, bindings=tuple(bindings))


def _start(binding: Binding, module: IRModule) -> _Group | None:
    if not isinstance(binding.operation, CallDps) or len(binding.vars) != 1:
        return None
    callee = module.tensor(binding.operation.function)
    stages = stages_of(callee)
    if callee.outputs != 1 or not stages or any(stage.kind == "opaque" for stage in stages):
        return None
    return _Group([binding], list(stages))


def _producers(binding: Binding, group_of: dict[GraphVar, _Group], uses: Counter[GraphVar]) -> list[_Group]:
    """Return the groups whose result only ``binding`` uses, those with a contraction or reduction last (one fits)."""
    assert isinstance(binding.operation, CallDps)
    found = [
        group_of[arg]
        for arg in dict.fromkeys(binding.operation.args)
        if isinstance(arg, GraphVar) and arg in group_of and uses[arg] == 1
    ]
    return sorted(found, key=lambda group: not group.has_reduction)


def _worth(producer: _Group, consumer: _Group, binding: Binding, module: IRModule) -> bool:
    """Whether the facts speak for fusing ``producer`` into ``consumer``, whose first use of it is ``binding``."""
    assert isinstance(binding.operation, CallDps)
    callee = module.tensor(binding.operation.function)
    position = binding.operation.args.index(producer.result)
    parameter = callee.input_buffers[position]
    own = stages_of(callee) or ()
    reading = [stage for stage in own if stage.reads_of(parameter)]
    patterns = [access.pattern for stage in reading for access in stage.reads_of(parameter)]
    if binding.operation.args.count(producer.result) > 1 or not patterns:
        return False
    if producer.stages[-1].kind == "contraction" and patterns == ["permuted"] and len(consumer.stages) == 1:
        (stage,) = reading
        (access,) = stage.reads_of(parameter)
        return access.indices[-1] == stage.store.indices[-1]
    if producer.has_reduction:
        whole = all(stage.kind == "elementwise" for stage in consumer.stages)
        return whole and all(pattern == "identity" for pattern in patterns)
    if producer.moves and consumer.maps and len(patterns) == 1:
        return True
    if not producer.elementwise:
        # What else was fused into the consumer may move elements, too: only what reads the value counts.
        after = own if consumer.maps else consumer.stages
        return all(stage.kind == "elementwise" for stage in after) and patterns == ["identity"]
    if consumer.has_reduction:
        return not any(stage.kind == "contraction" for stage in own) and all(
            stage.kind == "reduction" or pattern in {"identity"} for stage in reading for pattern in patterns
        )
    return len(patterns) == 1 and patterns[0] != "gather"


class _Maker:
    """Builds fused functions and shares equal ones."""

    def __init__(self, module: IRModule) -> None:
        self._fresh = NameSupply(module.functions)
        self._by_digest: dict[str, str] = {}
        self.made: dict[str, TensorFunction] = {}

    def call(self, group: _Group, module: IRModule) -> Binding:
        """Return the binding that calls the function of ``group``."""
        last = group.members[-1]
        if len(group.members) == 1:
            return last
        function, args = merged(group.members, module.tensor)
        key = digest(function)
        if key not in self._by_digest:
            name = self._fresh(title_of(group.members))
            self._by_digest[key] = name
            self.made[name] = replace(function, name=name)
        shared = self.made[self._by_digest[key]]
        source = ", ".join(dict.fromkeys(member.source for member in group.members if member.source))
        return Binding(last.vars, CallDps(shared.name, tuple(args), function.scalars), source or None, last.span)
