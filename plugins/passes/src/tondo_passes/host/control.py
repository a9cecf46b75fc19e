"""Branches and loops of a host function.

A branch becomes::

    if flag[()]:  (calls of the one inner function)
    else:         (calls of the other)

both of which write to the memory of the results. A loop becomes::

    numbers[trips] = 0
    while numbers[trips] < count and condition[()]:
        (calls of the inner function of the body)
        numbers[trips] = numbers[trips] + 1

A carried value goes back and forth between the two halves of its memory: trip ``i`` reads half ``i % 2`` and writes the
other one. If its shape may change, the halves are two slots of the call. A scanned value is written to its row of the
result; if the trips are not known before, the result is a slot that grows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tondo.diagnostics import fail
from tondo.ir import (
    BOOL,
    Assert,
    Binding,
    Buffer,
    CallGraph,
    Const,
    Expr,
    For,
    GraphVar,
    If,
    IfRegion,
    Let,
    Load,
    LoopRegion,
    Seq,
    Stmt,
    Store,
    Var,
    While,
    add,
    cast,
    compare,
    floormod,
    logical_and,
    maximum,
    mul,
    select,
    seq,
    unknown_of,
)
from tondo_passes.host.arena import byte_size
from tondo_passes.host.places import Memory, Place, Scope, Slot
from tondo_passes.host.plan_memory import (
    area_name,
    called,
    callee_of,
    has_state,
    inner_name,
    state_name,
    trips_name,
    variables,
)

if TYPE_CHECKING:
    from tondo.ir import Atom, GraphRegion
    from tondo_passes.host.emitter import Emitter
    from tondo_passes.host.places import Named

Body = Callable[[Scope], list[Stmt]]
"""Lowers the function of a scope."""

_MOST: Final = (1 << 63) - 1
_TURN: Final = Const(8)
_ALIVE: Final = Const(16)
"""Where the state of a loop holds the number of the trip and the condition as the body sees it; at 0 the condition that
the body yields."""


def branch(lowering: Emitter, body: Body, scope: Scope, binding: Binding, operation: IfRegion) -> list[Stmt]:
    """Return the statements of a branch."""
    flag, named = lowering.element(scope, operation.condition)
    sides: list[Stmt] = []
    for region in (operation.then, operation.orelse):
        inner = _inner(lowering, scope, region, {})
        for result, var in zip(inner.function.results, binding.vars, strict=True):
            _yield(inner, result, lowering.place(scope, var))
        steps = body(inner)
        for result, var in zip(inner.function.results, binding.vars, strict=True):
            steps.extend(learned(lowering, scope, var, result.tensor.dims))
        sides.append(seq(*steps) if steps else Seq(()))
    # The statement stays outside of the view of the flag, whose memory the branches may use again.
    taken = Var(lowering.fresh("taken"), BOOL)
    return [lowering.within([named], Let(taken, flag, If(taken, sides[0], sides[1], binding.span)))]


def learned(lowering: Emitter, scope: Scope, var: GraphVar, dims: tuple[Expr, ...]) -> list[Stmt]:
    """Write the dimensions that the type of ``var`` introduces, which are ``dims``."""
    steps: list[Stmt] = []
    for own, actual in zip(var.tensor.dims, dims, strict=True):
        found = _unknown(scope, own)
        if found is not None and own != actual:
            steps.append(lowering.set_cell(found[0].name, lowering.here(actual) - found[1]))
    return steps


def _unknown(scope: Scope, dim: Expr) -> tuple[Var, int] | None:
    """Return variable and constant of a dimension that is not known yet."""
    found = unknown_of(dim)
    return None if found is None or found[0] in scope.known else found


def _inner(lowering: Emitter, scope: Scope, region: GraphRegion, places: dict[Atom, Place]) -> Scope:
    """Return the scope of the function that ``region`` calls; ``places`` are those of the region's parameters."""
    name = callee_of(region)
    function = lowering.module.graph(name)
    inner = Scope(function, Memory.of(function), lowering.planned(scope, inner_name(name)))
    inner.known |= scope.known
    operation = called(region).operation
    assert isinstance(operation, CallGraph)
    for param, atom in zip(function.params, operation.args, strict=True):
        inner.places[param] = places[atom] if atom in places else lowering.place(scope, atom)
    return inner


def _yield(inner: Scope, result: Atom, place: Place) -> GraphVar:
    """The function of ``inner`` writes its ``result`` to ``place``."""
    if not isinstance(result, GraphVar) or result in inner.places:
        fail("TND-B004", "a result of a region is not computed by it", help="run graph.own_results before host.lower")
    inner.places[result] = place
    return result


def loop(lowering: Emitter, body: Body, scope: Scope, binding: Binding, operation: LoopRegion) -> list[Stmt]:
    """Return the statements of a loop."""
    return _Loop(lowering, body, scope, binding, operation).lowered()


@dataclass(frozen=True, slots=True)
class _Carried:
    """A carried value: its variable after the loop, its parameter and what the first trip takes."""

    var: GraphVar
    param: GraphVar
    first: Atom
    area: Place
    half: Expr | None
    """Bytes of one half; None if the halves are slots."""

    def place(self, turn: Expr) -> Place:
        """Return where the value lies that trip ``turn`` reads."""
        side = floormod(turn, 2)
        if self.half is not None:
            return self.area.at(mul(side, self.half))
        assert isinstance(self.area.base, Slot)
        return Place(Slot(add(self.area.base.number, side)))


class _Loop:
    """The lowering of one loop."""

    def __init__(self, lowering: Emitter, body: Body, scope: Scope, binding: Binding, operation: LoopRegion) -> None:
        self._lowering = lowering
        self._body = body
        self._scope = scope
        self._binding = binding
        self._operation = operation
        self._name = callee_of(operation.body)
        # A loop without state never asks where it is.
        has = has_state(operation)
        self._state = lowering.planned(scope, state_name(self._name)) if has else scope.arena
        self._call = called(operation.body)
        self._decides = operation.body.results[0] in self._call.vars
        triples = zip(binding.vars, operation.body.params[2:], operation.carried, strict=False)
        self._carried = [self._area(*triple) for triple in triples]
        self._scanned = binding.vars[len(self._carried) :]

    def _area(self, var: GraphVar, param: GraphVar, first: Atom) -> _Carried:
        lowering = self._lowering
        place = lowering.planned(self._scope, area_name(var))
        fixed = variables(param.type) <= self._scope.known
        half = lowering.here(byte_size(param.tensor.dims, param.tensor.dtype.bytes)) if fixed else None
        return _Carried(var, param, first, place, half)

    def lowered(self) -> list[Stmt]:
        lowering, trips = self._lowering, trips_name(self._name)
        if self._operation.trips is None and not self._decides:
            fail("TND-B004", f"the loop '{self._name}' never ends", help="give it trips or a condition that changes")
        before = [step for carried in self._carried for step in self._enter(carried)]
        limit = Var(lowering.fresh("limit"))
        count, named = self._limit()
        if self._decides:
            around = self._while(limit, trips)
        else:
            turn = Var(lowering.fresh("turn"))
            steps = self._trip(turn)
            around = seq(
                For(turn, Const(0), limit, seq(*steps), span=self._binding.span),
                lowering.set_cell(trips, maximum(limit, 0)),
            )
        checks = [self._check(var, limit) for var in self._scanned]
        whole = Let(limit, count, seq(*(check for check in checks if check is not None), around))
        return [*before, lowering.within(named, whole), *self._leave(lowering.cell(trips))]

    def _limit(self) -> tuple[Expr, list[Named]]:
        """Return the largest number of trips."""
        count: Expr = Const(_MOST)
        named: list[Named] = []
        if self._operation.trips is not None:
            count, place = self._lowering.element(self._scope, self._operation.trips)
            named.append(place)
        if self._operation.condition is not None:
            flag, place = self._lowering.element(self._scope, self._operation.condition)
            named.append(place)
            count = select(flag, count, 0)
        return count, named

    def _check(self, var: GraphVar, limit: Var) -> Stmt | None:
        rows = var.tensor.dims[0]
        if _unknown(self._scope, rows) is not None:
            return None
        here = self._lowering.here(rows)
        return Assert(compare("eq", maximum(limit, 0), here), f"the loop does not yield {rows!r} rows of '{var.name}'")

    def _while(self, limit: Var, trips: str) -> Stmt:
        lowering, turn = self._lowering, self._lowering.cell(trips)
        alive = Buffer(lowering.fresh("alive"), (), BOOL)
        goes_on = logical_and(turn < limit, Load(alive, ()))
        steps = [*self._trip(turn), lowering.set_cell(trips, turn + 1)]
        body = seq(
            lowering.set_cell(trips, Const(0)),
            Store(alive, (), Const(True, BOOL)),
            While(goes_on, seq(*steps), self._binding.span),
        )
        return lowering.within([(alive, self._state)], body)

    def _enter(self, carried: _Carried) -> list[Stmt]:
        """Put what the first trip takes where it reads it."""
        lowering, kind = self._lowering, carried.first.tensor
        learned = self._learned(carried.param, kind.dims)
        place = lowering.place(self._scope, carried.first)
        return [*learned, lowering.copied(place, carried.place(Const(0)), kind.dtype.bytes, kind.dims)]

    def _trip(self, turn: Expr) -> list[Stmt]:
        """Return the statements of trip ``turn``."""
        lowering, params = self._lowering, self._operation.body.params
        places: dict[Atom, Place] = {params[0]: self._state.at(_TURN), params[1]: self._state.at(_ALIVE)}
        places.update((carried.param, carried.place(turn)) for carried in self._carried)
        inner = _inner(lowering, self._scope, self._operation.body, places)
        inner.known |= {var for param in params for var in variables(param.type)}
        results = list(inner.function.results)
        if self._decides:
            _yield(inner, results.pop(0), self._state)
        values = [
            _yield(inner, atom, carried.place(add(turn, 1)))
            for carried, atom in zip(self._carried, results, strict=False)
        ]
        for var, atom in zip(self._scanned, results[len(values) :], strict=True):
            _yield(inner, atom, self._row(var, turn))
        steps = [*self._given(turn), *self._body(inner)]
        return [*steps, *self._updated(values)]

    def _given(self, turn: Expr) -> list[Stmt]:
        """Return the stores of the iteration number and of the condition, if the body takes them."""
        lowering, operation = self._lowering, self._call.operation
        assert isinstance(operation, CallGraph)
        steps: list[Stmt] = []
        for param, value, offset in zip(
            self._operation.body.params, (turn, Const(True, BOOL)), (_TURN, _ALIVE), strict=False
        ):
            if param in operation.args:
                target = Buffer(lowering.fresh(param.name), param.tensor.dims, param.tensor.dtype)
                store = Store(target, tuple(Const(0) for _ in param.tensor.dims), cast(param.tensor.dtype, value))
                steps.append(lowering.within([(target, self._state.at(offset))], store))
        return steps

    def _row(self, var: GraphVar, turn: Expr) -> Place:
        """Return where trip ``turn`` writes its part of the scanned ``var``."""
        rows, *rest = var.tensor.dims
        size: Expr = Const(var.tensor.dtype.bytes)
        for extent in rest:
            size = mul(size, self._lowering.here(extent))
        place = self._lowering.place(self._scope, var)
        if _unknown(self._scope, rows) is not None:
            assert isinstance(place.base, Slot)
            return Place(Slot(place.base.number, mul(add(turn, 1), size)), mul(turn, size))
        return place.at(mul(turn, size))

    def _updated(self, values: list[GraphVar]) -> list[Stmt]:
        """Return the statements that make the shapes of the results those of the next trip's parameters."""
        lowering = self._lowering
        pairs: dict[str, Expr] = {}
        for carried, value in zip(self._carried, values, strict=True):
            for own, actual in zip(carried.param.tensor.dims, value.tensor.dims, strict=True):
                found = _unknown(self._scope, own)
                if found is not None and own != actual:
                    pairs.setdefault(found[0].name, lowering.here(actual) - found[1])
        fresh = [Var(lowering.fresh(name)) for name in pairs]
        stores = [lowering.set_cell(name, var) for name, var in zip(pairs, fresh, strict=True)]
        if not stores:
            return []
        stmt = seq(*stores)
        for var, value in zip(fresh, pairs.values(), strict=True):
            stmt = Let(var, value, stmt)
        return [stmt]

    def _learned(self, own: GraphVar, dims: tuple[Expr, ...]) -> list[Stmt]:
        return learned(self._lowering, self._scope, own, dims)

    def _leave(self, trips: Expr) -> list[Stmt]:
        """Return the statements after the last trip."""
        steps: list[Stmt] = []
        lowering, scope = self._lowering, self._scope
        for carried in self._carried:
            steps.extend(self._learned(carried.var, carried.param.tensor.dims))
            if carried.var in scope.places:
                kind = carried.var.tensor
                target = scope.places[carried.var]
                steps.append(lowering.copied(carried.place(trips), target, kind.dtype.bytes, kind.dims))
            else:
                scope.places[carried.var] = carried.place(trips)
        for var in self._scanned:
            steps.extend(self._learned(var, (trips, *var.tensor.dims[1:])))
        return steps
