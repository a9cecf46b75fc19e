"""``graph.fuse_chains``: contractions with functions of rows in between become one function, if a rule asks for it.

Before::

    s = call_dps(matmul, q, k)
    t = call_dps(add, s, mask)
    p = call_dps(softmax, t)
    o = call_dps(matmul_1, p, v)

After::

    o = call_dps(matmul_add_softmax_matmul_1, q, k, mask, v)  # no matrix of all scores

Found by the facts of the functions: from a contraction back through calls without one to the contraction that their
operand comes from, where nothing else needs a value on the way and neither keys nor values are constants (weights are
arranged once, when the model is compiled; a chain would arrange them in each call). Whether the calls are better off as
one function, the schedule rules decide that know such functions. A copy of an operand of the first contraction is
absorbed if a rule takes the function then, too: it packs that operand as it needs it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from tondo.ir import (
    Atom,
    Binding,
    Buffer,
    CallDps,
    ConstantRef,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    free_vars,
    walk,
)
from tondo_passes.graph.absorb_copies import sources_of, through_copy
from tondo_passes.graph.calls import uses_of
from tondo_passes.graph.copies import Copy, copy_of
from tondo_passes.graph.functions import Functions
from tondo_passes.graph.merge import merged, title_of
from tondo_passes.rules import rules_that
from tondo_schedule.facts import row_chain_of, stages_of

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from tondo.passes import PassContext
    from tondo.target import Target

_MOST = 64
"""Calls between two contractions, at most."""


@runtime_checkable
class Fusing(Protocol):
    """A schedule rule that knows functions of several contractions."""

    def fuses(self, function: TensorFunction, target: Target) -> bool:
        """Return whether ``function``, made of several, is faster than these in turn."""
        ...


@dataclass(frozen=True)
class FuseChains:
    """Fuse contractions with what is between them."""

    name: ClassVar[str] = "graph.fuse_chains"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with chains of calls fused; copies that they absorbed may be dead afterwards."""
        rules = rules_that(Fusing, context)
        if not rules:
            return module
        worker = _Worker(module, rules, context.target)
        graphs = [worker.function(function) for function in module.graph_functions()]
        return module.with_functions([*graphs, *worker.functions.made.values()])


class _Worker:
    def __init__(self, module: IRModule, rules: Sequence[Fusing], target: Target) -> None:
        self.functions = Functions(module)
        self._rules = rules
        self._target = target

    def function(self, function: GraphFunction) -> GraphFunction:
        graph = _Graph(function, self.functions)
        for binding in function.bindings:
            for members in graph.chains(binding):
                made = self._fused(members, graph)
                if made is not None:
                    graph.replace(members, made)
                    break
        return replace(function, bindings=tuple(graph.bindings()))

    def _fused(self, members: Sequence[Binding], graph: _Graph) -> Binding | None:
        """Return the call of one function in place of ``members``; None if no rule asks for it."""
        function, args = merged(members, self.functions.__getitem__)
        if _has_weights(function, args) or not self._wanted(function):
            return None
        first = members[0].operation
        assert isinstance(first, CallDps)
        for arg in dict.fromkeys(first.args):
            for copy in sources_of(arg, graph.copies):
                made = _through(function, args, arg, copy)
                if made is not None and self._wanted(made):
                    function, args = made, [copy.source if atom == arg else atom for atom in args]
                    break
        shared = self.functions.add(replace(function, name=title_of(members)))
        last = members[-1]
        source = ", ".join(dict.fromkeys(member.source for member in members if member.source))
        return Binding(last.vars, CallDps(shared.name, tuple(args), function.scalars), source or None, last.span)

    def _wanted(self, function: TensorFunction) -> bool:
        return any(rule.fuses(function, self._target) for rule in self._rules)


def _through(function: TensorFunction, args: Sequence[Atom], arg: Atom, copy: Copy) -> TensorFunction | None:
    """Return ``function`` with the source of ``copy`` in place of its argument ``arg``, which only products read."""
    if copy.is_view(arg.tensor.dims) or copy.source in args or isinstance(copy.source, ConstantRef):
        return None
    old = function.input_buffers[args.index(arg)]
    readers = [stage for stage in stages_of(function) or () if stage.reads_of(old)]
    if any(stage.kind != "contraction" for stage in readers):
        return None
    new = Buffer(old.name, copy.source.tensor.dims, old.dtype)
    body = through_copy(function.body, old, new, copy)
    buffers = tuple(new if buffer == old else buffer for buffer in function.buffers)
    return replace(function, params=(*free_vars(body, buffers), *buffers), body=body)


def _has_weights(function: TensorFunction, args: Sequence[Atom]) -> bool:
    """Whether keys or values of the row chain ``function`` are constants."""
    chain = row_chain_of(stages_of(function) or ())
    atoms = dict(zip(function.input_buffers, args, strict=True))
    return chain is not None and any(
        isinstance(atoms.get(load.buffer), ConstantRef) for load in (chain.keys, chain.values)
    )


class _Graph:
    """A graph function while chains of it are fused."""

    def __init__(self, function: GraphFunction, functions: Functions) -> None:
        self._functions = functions
        self._uses: Counter[GraphVar] = uses_of(function)
        self._order = {binding.vars: number for number, binding in enumerate(function.bindings)}
        # What binds dimensions has no variables; it stays where it is.
        self._current: dict[tuple[GraphVar, ...] | int, Binding] = {
            item.vars or number: item for number, item in enumerate(function.bindings)
        }
        self._made: dict[Atom, Binding] = {}
        self.copies: dict[Atom, Copy] = {}
        for binding in function.bindings:
            call = binding.operation
            if isinstance(call, CallDps) and len(binding.vars) == 1:
                self._made[binding.var] = binding
                copy = copy_of(call, functions[call.function])
                if copy is not None:
                    self.copies[binding.var] = copy

    def bindings(self) -> list[Binding]:
        """Return the bindings as they are now."""
        return list(self._current.values())

    def replace(self, members: Sequence[Binding], made: Binding) -> None:
        """Put ``made`` where the last one of ``members`` is."""
        for member in members[:-1]:
            del self._current[member.vars]
            del self._made[member.var]
        self._current[made.vars] = made
        self._made[made.var] = made

    def chains(self, last: Binding) -> list[list[Binding]]:
        """Return the calls, in order, from a contraction to the contraction ``last`` that nothing else looks into."""
        if not self._is_contraction(last):
            return []
        assert isinstance(last.operation, CallDps)
        found: list[list[Binding]] = []
        for arg in dict.fromkeys(last.operation.args):
            before = self._before(arg)
            for first in (binding for binding in before if self._is_contraction(binding)):
                members = [*self._after(first, before), last]
                if len(members) > 2 and self._closed(members):
                    found.append(members)
        return found

    def _is_contraction(self, binding: Binding) -> bool:
        return self._kinds(binding) == ["contraction"]

    def _kinds(self, binding: Binding) -> list[str]:
        """Return the kinds of the stages of a call with one result; empty for anything else."""
        call = binding.operation
        if not isinstance(call, CallDps) or len(binding.vars) != 1:
            return []
        function = self._functions[call.function]
        return [stage.kind for stage in stages_of(function) or ()] if function.outputs == 1 else []

    def _before(self, arg: Atom) -> list[Binding]:
        """Return the calls that ``arg`` comes from, up to contractions, in order."""
        found: dict[tuple[GraphVar, ...], Binding] = {}
        pending = [arg]
        while pending and len(found) < _MOST:
            binding = self._made.get(pending.pop())
            if binding is None or binding.vars in found:
                continue
            kinds = self._kinds(binding)
            if not kinds or "opaque" in kinds or ("contraction" in kinds and len(kinds) > 1):
                continue
            found[binding.vars] = binding
            if kinds != ["contraction"]:
                assert isinstance(binding.operation, CallDps)
                pending.extend(binding.operation.args)
        return sorted(found.values(), key=lambda item: self._order[item.vars])

    def _after(self, first: Binding, among: Sequence[Binding]) -> list[Binding]:
        """Return ``first`` and those ``among`` that depend on it, in order."""
        reached: set[Atom] = {first.var}
        members = [first]
        for binding in among:
            assert isinstance(binding.operation, CallDps)
            if binding is not first and reached & set(binding.operation.args):
                reached.add(binding.var)
                members.append(binding)
        return members

    def _closed(self, members: Sequence[Binding]) -> bool:
        """Whether values between ``members`` have no other use."""
        inside = {member.var for member in members[:-1]}
        used = [item for member in members for item in {part for part in walk(member.operation) if part in inside}]
        return all(used.count(var) == self._uses[var] for var in inside)
