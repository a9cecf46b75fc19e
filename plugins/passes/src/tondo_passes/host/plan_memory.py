"""``host.plan_memory``: every intermediate tensor gets a place in memory that is reused when its value is dead.

After the pass the attribute ``memory`` of each graph function holds

* ``places``: pairs of a value's name and its byte offset in the arena, and ``workspace``, the size of the arena in
  bytes; both are expressions over the dimensions that are known when the function begins. The arena of an inner
  function is part of the arena around it;
* ``blocks``: slots of the call with their sizes, one for the values whose dimensions become known at the same point
  of the function, and ``slotted``: a value's name, the number of its slot and its byte offset in it;
* ``grown``: names of values with slots of their own (two for a carried value), since their dimensions are known only
  when they are made.

Names that are no values' stand for what else needs memory: the scratch buffers of a kernel (see
``tensor.lift_workspace`` and :func:`scratch_name`), the arena of an inner function (:func:`inner_name`), the
state of a loop (:func:`state_name`) and the two halves between which a carried value goes back and forth
(:func:`area_name`). Refuses (TND-B004) values that are no tensors of known rank and calls of graph functions that
are not inner ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.arith import Analyzer, dimension_bounds
from tondo.diagnostics import fail
from tondo.ir import (
    Attrs,
    BindDims,
    Binding,
    Buffer,
    CallDps,
    CallGraph,
    CallPacked,
    Const,
    Expr,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    IRModule,
    LoopRegion,
    MatchShape,
    Reinterpret,
    TensorFunction,
    TensorType,
    Var,
    mul,
    parts_of,
    substitute,
    walk,
)
from tondo_passes.host.arena import ALIGNMENT, Value, arrange, byte_size, order_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tondo.ir import AttrValue, Node
    from tondo.passes import PassContext


@dataclass(frozen=True)
class PlanMemory:
    """Plan the memory of every graph function."""

    name: ClassVar[str] = "host.plan_memory"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"planned"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with the attribute ``memory`` on its graph functions."""
        lows = {name: limits.low or 0 for name, limits in dimension_bounds(module, context.dimensions).items()}
        planner = _Planner(module, lows)
        for function in module.graph_functions():
            if function.attrs.get("inner") is not True:
                planner.plan(function, frozenset(symbols_of(function)), own_results=False)
        return module.with_functions(planner.planned)


def symbols_of(graph: GraphFunction) -> tuple[Var, ...]:
    """Return the symbolic dimensions of the parameters of ``graph``, by name."""
    found = {item for param in graph.params for item in variables(param.type)}
    return tuple(sorted(found, key=lambda var: var.name))


def variables(root: Node) -> set[Var]:
    """Return the dimension variables in ``root``."""
    return {item for item in walk(root) if isinstance(item, Var)}


def scratch_name(binding: Binding, index: int) -> str:
    """Return the name under which the ``index``-th scratch buffer of a call is planned."""
    return f"{binding.vars[0].name}.scratch{index}"


def inner_name(function: str) -> str:
    """Return the name under which the arena of the inner function ``function`` is planned."""
    return f"{function}.arena"


def state_name(function: str) -> str:
    """Return the name under which the state of the loop whose body is ``function`` is planned."""
    return f"{function}.state"


def trips_name(function: str) -> str:
    """Return the name of the number of trips that the loop whose body is ``function`` has made."""
    return f"{function}.trips"


def area_name(var: GraphVar) -> str:
    """Return the name under which the memory of a carried value is planned; ``var`` is its value after the loop."""
    return f"{var.name}.area"


def shape_name(var: GraphVar) -> str:
    """Return the name under which the shape is planned that a foreign function gives its result ``var``."""
    return f"{var.name}.shape"


def scratch_buffers(function: TensorFunction) -> tuple[Buffer, ...]:
    """Return the trailing parameters of ``function`` that are scratch memory."""
    count = function.attrs.get("workspace", 0)
    return function.buffers[len(function.buffers) - int(str(count)) :] if count else ()


def called(region: GraphRegion) -> Binding:
    """Return the call that an outlined region consists of.

    Raises:
        TondoError: TND-B004 if the region is something else.
    """
    (binding,) = region.bindings if len(region.bindings) == 1 else (None,)
    if binding is None or not isinstance(binding.operation, CallGraph):
        fail("TND-B004", "a region is not outlined", help="run graph.outline_regions before host.plan_memory")
    return binding


def has_state(loop: LoopRegion) -> bool:
    """Whether a loop keeps the number of its trip or a condition in memory: its body takes or yields one."""
    call = called(loop.body)
    assert isinstance(call.operation, CallGraph)
    return loop.body.results[0] in call.vars or not set(loop.body.params[:2]).isdisjoint(call.operation.args)


def callee_of(region: GraphRegion) -> str:
    """Return the name of the inner function that an outlined region calls."""
    call = called(region).operation
    assert isinstance(call, CallGraph)
    return call.function


def aliases(function: GraphFunction) -> dict[GraphVar, GraphVar]:
    """Return, for values in the memory of another (shape matches, views, parts of joins), the value that owns it."""
    root = {var: part.whole for var, part in parts_of(function.bindings).items()}
    for binding in function.bindings:
        operation = binding.operation
        if isinstance(operation, (MatchShape, Reinterpret)) and isinstance(operation.arg, GraphVar):
            root[binding.var] = root.get(operation.arg, operation.arg)
    return root


def owners(function: GraphFunction) -> dict[GraphVar, GraphVar]:
    """Return, for results of ``function`` that are views of values which it computes, these values: they lie there."""
    made = {binding.var: binding.operation for binding in function.bindings if len(binding.vars) == 1}
    found: dict[GraphVar, GraphVar] = {}
    for atom in function.results:
        owner = atom
        while isinstance(owner, GraphVar) and isinstance(view := made.get(owner), Reinterpret):
            owner = view.arg
        if isinstance(atom, GraphVar) and isinstance(owner, GraphVar) and owner != atom:
            found[atom] = owner
    return found


def introduced(binding: Binding) -> set[Var]:
    """Return the dimensions that ``binding`` may introduce: those of the types of its variables, or bound by it."""
    found = {var for result in binding.vars for var in variables(result.type)}
    if isinstance(binding.operation, (BindDims, MatchShape)):
        found |= {var for dim in binding.operation.dims for var in variables(dim)}
    return found


@dataclass(slots=True)
class _Plan:
    """The plan of one graph function in the making.

    Attributes:
        epochs: by dimension, when it becomes known: 0 before the function begins, then counted along the function.
        values: what needs memory, with its epoch.
        grown: names of values with slots of their own.
    """

    epochs: dict[Var, int]
    values: list[tuple[int, Value]] = field(default_factory=list["tuple[int, Value]"])
    grown: dict[str, int] = field(default_factory=dict[str, int])
    epoch: int = 0

    def know(self, dims: set[Var]) -> set[Var]:
        """Dimensions are known from here on; return those that were not before."""
        new = dims - self.epochs.keys()
        if new:
            self.epoch += 1
            self.epochs.update(dict.fromkeys(new, self.epoch))
        return new

    def need(self, value: Value) -> None:
        """Plan ``value``, whose dimensions are known."""
        self.values.append((max((self.epochs[var] for var in variables(value.size)), default=0), value))


class _Planner:
    def __init__(self, module: IRModule, lows: Mapping[str, int]) -> None:
        self._module = module
        self._lows = lows
        self._slots = 0
        self.planned: list[GraphFunction] = []

    def plan(self, function: GraphFunction, known: frozenset[Var], *, own_results: bool = True) -> Expr:
        """Plan ``function`` and return the bytes of its arena.

        ``own_results`` are those that its caller places; else results of unknown size get slots here.
        """
        plan = _Plan(dict.fromkeys(known, 0))
        plan.know({var for param in function.params for var in variables(param.type)})
        results = {atom for atom in function.results if isinstance(atom, GraphVar)} | set(owners(function).values())
        first, last = _lives(function)
        parts = parts_of(function.bindings)
        for position, binding in enumerate(function.bindings):
            before = frozenset(plan.epochs)
            new = plan.know(introduced(binding))
            self._inner(binding, position, before, plan, last)
            if isinstance(binding.operation, (MatchShape, Reinterpret)):
                continue
            for var in binding.vars:
                if isinstance(binding.operation, CallPacked) and new & variables(var.type):
                    plan.need(Value(shape_name(var), Const(ALIGNMENT), position, position))
                if var in parts:
                    continue
                if var in results and (own_results or variables(var.type) <= known):
                    continue
                if var not in results and _is_carried(binding, var):
                    continue
                made_inside = not isinstance(binding.operation, CallDps) and new & variables(var.type)
                grown = var in results or bool(made_inside)
                self._place(binding, var, plan, (first[var], last.get(var, position)), grown=grown)
        memory, size = self._arranged(plan)
        self.planned.append(replace(function, attrs=function.attrs.with_(memory=memory)))
        return size

    def _place(self, binding: Binding, var: GraphVar, plan: _Plan, life: tuple[int, int], *, grown: bool) -> None:
        """Plan the memory of ``var``, which is no result that the caller places."""
        size = _size(binding, var)
        if grown:
            plan.grown[var.name] = self._slot()
        else:
            plan.need(Value(var.name, size, *life))

    def _inner(
        self, binding: Binding, position: int, known: frozenset[Var], plan: _Plan, last: Mapping[GraphVar, int]
    ) -> None:
        """Plan what the operation of ``binding`` needs besides its results."""
        match binding.operation:
            case CallDps() as call:
                for value in _scratch(binding, call, self._module, position):
                    plan.need(value)
            case IfRegion(then=then, orelse=orelse):
                for region in (then, orelse):
                    self._arena(callee_of(region), position, known, plan)
            case LoopRegion() as loop:
                self._loop(binding, loop, position, known, plan, last)
            case CallGraph(function=name):
                fail("TND-B004", f"'{name}' is called as a function", help="run graph.inline_calls before")
            case _:
                pass

    def _arena(self, name: str, position: int, known: frozenset[Var], plan: _Plan) -> None:
        size = self.plan(self._module.graph(name), known)
        plan.need(Value(inner_name(name), size, position, position))

    def _loop(
        self,
        binding: Binding,
        loop: LoopRegion,
        position: int,
        known: frozenset[Var],
        plan: _Plan,
        last: Mapping[GraphVar, int],
    ) -> None:
        name = callee_of(loop.body)
        self._arena(name, position, known, plan)
        if has_state(loop):
            plan.need(Value(state_name(name), Const(ALIGNMENT), position, position))
        for var, param in zip(binding.vars, loop.body.params[2:], strict=False):
            if variables(param.type) <= known:
                size = mul(_size(binding, param), 2)
                plan.need(Value(area_name(var), size, position, last.get(var, position)))
            else:
                plan.grown[area_name(var)] = self._slot()
                self._slot()

    def _slot(self) -> int:
        self._slots += 1
        return self._slots - 1

    def _arranged(self, plan: _Plan) -> tuple[Attrs, Expr]:
        places: tuple[AttrValue, ...] = ()
        workspace: Expr = Const(0)
        blocks: list[AttrValue] = []
        slotted: list[AttrValue] = []
        lows = {var.name: 0 for var, epoch in plan.epochs.items() if epoch} | dict(self._lows)
        for epoch in range(plan.epoch + 1):
            values = [value for when, value in plan.values if when == epoch]
            found, size = arrange(values, order_of({var for value in values for var in variables(value.size)}, lows))
            if epoch == 0:
                places, workspace = tuple(found.items()), size
            elif values:
                slot = self._slot()
                blocks.append((slot, size))
                slotted.extend((name, slot, offset) for name, offset in found.items())
        memory = Attrs(
            places=places,
            workspace=workspace,
            blocks=tuple(blocks),
            slotted=tuple(slotted),
            grown=tuple(plan.grown.items()),
        )
        return memory, workspace


def _lives(function: GraphFunction) -> tuple[dict[GraphVar, int], dict[GraphVar, int]]:
    """Return where each value that owns memory is first written, and where it is last used."""
    root = aliases(function)
    first: dict[GraphVar, int] = {}
    last: dict[GraphVar, int] = {}
    for position, binding in enumerate(function.bindings):
        for var in binding.vars:
            first.setdefault(root.get(var, var), position)
        for item in walk(binding.operation):
            if isinstance(item, GraphVar):
                last[root.get(item, item)] = position
    return first, last


def _is_carried(binding: Binding, var: GraphVar) -> bool:
    """Whether ``var`` is a carried value after its loop, which stays where the loop left it."""
    loop = binding.operation
    return isinstance(loop, LoopRegion) and var in binding.vars[: len(loop.carried)]


def _size(binding: Binding, var: GraphVar) -> Expr:
    if isinstance(var.type, TensorType) and var.type.shape is not None:
        return byte_size(var.type.shape, var.type.dtype.bytes)
    return fail(
        "TND-B004",
        f"'{var.name}' is not a tensor of known rank, so that its memory cannot be planned",
        notes=[] if binding.source is None else [f"it comes from {binding.source}"],
    )


def _scratch(binding: Binding, call: CallDps, module: IRModule, position: int) -> list[Value]:
    callee = module.tensor(call.function)
    scalars: dict[Var, Expr] = dict(zip(callee.scalars, call.scalars, strict=True))
    return [
        Value(
            scratch_name(binding, i),
            byte_size(_evaluated(buffer.shape, scalars), buffer.dtype.bytes),
            position,
            position,
        )
        for i, buffer in enumerate(scratch_buffers(callee))
    ]


def _evaluated(shape: tuple[Expr, ...], scalars: dict[Var, Expr]) -> list[Expr]:
    from_callee = Analyzer()
    return [from_callee.simplify(substitute(extent, scalars)) for extent in shape]
