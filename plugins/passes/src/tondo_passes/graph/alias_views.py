"""``graph.alias_views``: a copy that keeps the order of the elements shares the memory of its argument.

Before::

    y: Tensor[(n, 12, 64), float32] = call_dps(reshape, x, scalars=(n,))  # x: (n, 768)
    r: Tensor[(1, 8, 64), float32] = call_dps(slice, s, scalars=(t,))  # s: (n, 8, 64)

After::

    y: Tensor[(n, 12, 64), float32] = reinterpret(x)
    r: Tensor[(1, 8, 64), float32] = reinterpret(s, offset=t * 512)

Fires where the function of the call only copies and the position of the element that it reads is proven to be the
position of the element that it writes, symbolic dimensions included, or to lie a fixed distance behind it: rows of a
tensor, such as what one step of a loop reads. A result of the graph function may be a view of a value that it computes,
which then lies in the memory of that result.

Leaves alone results that share a value with other results, results whose sizes contents decide, values that a foreign
function changes in place, and windows where fusion or a concatenation saves more: of an elementwise value that nothing
else reads, and of or for a value that is concatenated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import (
    Atom,
    Binding,
    CallDps,
    CallPacked,
    GraphFunction,
    GraphVar,
    IRModule,
    MatchShape,
    Reinterpret,
    TensorFunction,
    Var,
    walk,
)
from tondo_passes.graph.calls import uses_of, with_operation
from tondo_passes.graph.copies import Copy, copy_of
from tondo_passes.graph.pieces import pieces_of
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True)
class AliasViews:
    """Make copies that change the shape alone, or take neighbouring elements, views."""

    name: ClassVar[str] = "graph.alias_views"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"defined"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` whose graph functions copy no tensor only to change its shape or to take rows of it."""
        del context
        worker = _Worker(module)
        return module.with_functions(worker.function(function) for function in module.graph_functions())


class _Worker:
    def __init__(self, module: IRModule) -> None:
        self._module = module
        self._known: dict[tuple[object, ...], Reinterpret | None] = {}

    def function(self, function: GraphFunction) -> GraphFunction:
        if any(isinstance(item, CallPacked) and item.effect == "inplace" for item in walk(function)):
            return function
        place = _Places(function, self._module)
        return replace(function, bindings=tuple(self._binding(binding, place) for binding in function.bindings))

    def _binding(self, binding: Binding, places: _Places) -> Binding:
        call = binding.operation
        if not isinstance(call, CallDps) or len(binding.vars) != 1 or len(call.args) != 1:
            return binding
        view = self._view(binding.var, call)
        return with_operation(binding, view) if view is not None and places.allow(binding.var, view) else binding

    def _view(self, var: GraphVar, call: CallDps) -> Reinterpret | None:
        """Return ``var``, the result of ``call``, as a view of its argument, if it is one."""
        (source,) = call.args
        if source.tensor.dtype != var.tensor.dtype:
            return None
        key = (call.function, call.scalars, source.type, var.type)
        if key not in self._known:
            copy = copy_of(call, self._module.tensor(call.function))
            self._known[key] = None if copy is None else _as_view(copy, var)
        made = self._known[key]
        return None if made is None else Reinterpret(source, made.offset)


def _as_view(copy: Copy, var: GraphVar) -> Reinterpret | None:
    shape = var.tensor.dims
    if copy.is_view(shape):
        return Reinterpret(copy.source)
    offset = copy.window(shape)
    return None if offset is None else Reinterpret(copy.source, offset)


class _Places:
    """Whose memory the values of a function may share."""

    def __init__(self, function: GraphFunction, module: IRModule) -> None:
        self._uses = uses_of(function)
        self._results = {atom for atom in function.results if isinstance(atom, GraphVar)}
        self._sized = {item for param in function.params for item in walk(param.type) if isinstance(item, Var)}
        self._own: set[Atom] = set()
        """Values with memory of their own that no result has taken."""
        self._own.update(var for binding in function.bindings for var in binding.vars if var not in self._results)
        self._whole: dict[Atom, Atom] = {}
        """Views of all of a value, to that value."""
        self._maps: set[Atom] = set()
        self._joined: set[Atom] = set()
        for binding in function.bindings:
            call = binding.operation
            if isinstance(call, (MatchShape, Reinterpret)):
                self._own.discard(binding.var)
            if not isinstance(call, CallDps):
                continue
            callee = module.tensor(call.function)
            if _only_maps(callee):
                self._maps.update(binding.vars)
            if pieces_of(call, callee) is not None:
                self._joined.update((*call.args, *binding.vars))

    def allow(self, var: GraphVar, view: Reinterpret) -> bool:
        """Whether ``var`` may be ``view``; if so, take it as such."""
        source = view.arg
        if var in self._results:
            return self._as_result(var, view)
        if view.offset is not None:
            alone = source in self._maps and isinstance(source, GraphVar) and self._uses[source] == 1
            if alone or not self._joined.isdisjoint((var, source)):
                return False
        self._own.discard(var)
        if view.offset is None:
            self._whole[var] = self._whole.get(source, source)
        return True

    def _as_result(self, var: GraphVar, view: Reinterpret) -> bool:
        """Whether the argument of ``view`` can lie in the memory of the result ``var``: it has no other place then."""
        sizes = {item for item in walk(var.type) if isinstance(item, Var)}
        owner = self._whole.get(view.arg, view.arg)
        if view.offset is not None or owner not in self._own or owner in self._joined or not sizes <= self._sized:
            return False
        self._own.discard(owner)
        return True


def _only_maps(function: TensorFunction) -> bool:
    """Whether every element of the result of ``function`` is computed by itself."""
    stages = stages_of(function)
    return stages is not None and all(stage.kind in {"elementwise", "injective"} for stage in stages)
