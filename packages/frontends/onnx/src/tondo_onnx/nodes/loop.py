"""Loops in the making: a body that is converted until the shapes of what it carries are settled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from tondo.ir import BOOL, INT64, Atom, Const, Expr, GraphRegion, GraphVar, LoopRegion, TensorType, Var, maximum, walk
from tondo_onnx.build.kinds import Object, Tensors, joined
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Site


@dataclass(frozen=True, slots=True)
class Trip:
    """What one trip yields: whether to go on, the carried values, the scanned ones.

    ``declared`` are the sizes of the scanned values that the model declares (None: it does not). Where the shape of a
    scanned value could change from trip to trip, these are taken and checked at run time.
    """

    goes_on: Value | None
    carried: Sequence[Value]
    scanned: Sequence[Value]
    declared: Sequence[Sequence[int | None]] = ()


Body: TypeAlias = Callable[[Value, Value, Sequence[Value]], Trip]
"""Takes the number of the trip (a known element), the condition and the carried values."""


def names_in(value: Expr) -> set[str]:
    """Return the names of the dimensions in ``value``."""
    return {item.name for item in walk(value) if isinstance(item, Var)}


def new_size(site: Site, hint: str) -> Expr:
    """Return a dimension that the call finds out."""
    return site.dims.unknown(site.builder.names.claim(f"{hint}_size"))


def loop(
    site: Site, trips: Value | None, condition: Value | None, first: Sequence[Value], body: Body
) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
    """Emit a loop and return the carried values in the end and the scanned ones.

    A size that changes from trip to trip becomes a dimension of its own; then the body is converted once more.
    """
    making = _Making(site, body, [value.type for value in first], [value.object for value in first])
    while not making.settled():
        pass
    region, trip = making.region, making.trip
    assert region is not None
    assert trip is not None
    counted = trip.goes_on is None or bool(np.all(trip.goes_on.numbers))
    if trips is None and counted:
        site.invalid("the loop never ends")
    rows = _rows(site, trips, condition) if counted else new_size(site, "trips")
    finals = [making.final(kind) for kind in making.kinds]
    stacks = [making.stacked(value.type, rows) for value in trip.scanned]
    builder = site.builder

    def optional(value: Value | None) -> Atom | None:
        return None if value is None else builder.atom(value)

    carried = tuple(builder.atom(value) for value in first)
    operation = LoopRegion(optional(trips), optional(condition), carried, region)
    results = builder.control(operation, [*finals, *stacks], "loop")
    for result, stands_for in zip(results, making.objects, strict=False):
        result.object = stands_for
    return results[: len(finals)], results[len(finals) :]


def _rows(site: Site, trips: Value | None, condition: Value | None) -> Expr:
    """Return how many trips a counted loop makes."""
    known = None if trips is None or trips.elements is None else trips.elements.reshape(-1)[0]
    decided = condition is None or (condition.numbers is not None and bool(np.all(condition.numbers)))
    if known is None or not decided:
        return new_size(site, "trips")
    count = known if isinstance(known, Expr) else Const(int(known))
    return site.dims.simplify(maximum(count, Const(0)))


@dataclass(slots=True)
class _Making:
    """The body of a loop that is converted for carried values of ``kinds``."""

    site: Site
    body: Body
    kinds: list[TensorType]
    objects: list[Object | None]
    own: set[str] = field(default_factory=set[str])
    """Dimensions that may change from trip to trip."""
    inner: set[str] = field(default_factory=set[str])
    """Dimensions that the body finds out."""
    region: GraphRegion | None = None
    trip: Trip | None = None

    def settled(self) -> bool:
        """Convert the body; return whether its results have the shapes of its parameters."""
        site, builder = self.site, self.site.builder
        before = len(site.dims.unknowns)
        with builder.region() as bindings:
            turn, alive = self._param("turn", TensorType((), INT64)), self._param("alive", TensorType((), BOOL))
            state = [self._param("state", kind) for kind in self.kinds]
            for value, stands_for in zip(state, self.objects, strict=True):
                value.object = stands_for
            params = tuple(value.atom for value in (turn, alive, *state) if isinstance(value.atom, GraphVar))
            builder.bind(turn)
            alive.elements = np.array(True)
            trip = self.body(turn, alive, state)
            goes_on = builder.atom(alive if trip.goes_on is None else trip.goes_on)
            self.inner = set(site.dims.unknowns[before:])
            declared = [*trip.declared, *[()] * (len(trip.scanned) - len(trip.declared))]
            if any(value.object for value in trip.scanned):
                site.refuse("scanned values that are no tensors")
            scanned = [self._checked(*pair) for pair in zip(trip.scanned, declared, strict=True)]
            trip = Trip(trip.goes_on, trip.carried, scanned)
            results = tuple(builder.atom(value) for value in (*trip.carried, *scanned))
            self.region = GraphRegion(params, tuple(bindings), (goes_on, *results))
            self.trip = trip
        if len(trip.carried) != len(self.kinds):
            site.invalid(f"the body yields {len(trip.carried)} carried values instead of {len(self.kinds)}")
        wider = [self._wider(kind, value.type) for kind, value in zip(self.kinds, trip.carried, strict=True)]
        objects = [self._joined(*pair) for pair in zip(self.objects, trip.carried, strict=True)]
        done = wider == self.kinds and objects == self.objects
        self.kinds, self.objects = wider, objects
        return done

    def _joined(self, before: Object | None, after: Value) -> Object | None:
        found = joined(before, after.object)
        if isinstance(found, Tensors) or (before is None) != (after.object is None) or (found is None and before):
            self.site.invalid("a carried value is of another kind after a trip")
        return found

    def _checked(self, value: Value, declared: Sequence[int | None]) -> Value:
        """Return a scanned value with the declared sizes where its own may change from trip to trip."""
        if len(declared) != value.rank:
            return value
        changing = self.own | self.inner
        shape = [
            Const(size) if size is not None and names_in(dim) & changing else dim
            for dim, size in zip(value.dims, declared, strict=True)
        ]
        return self.site.builder.match(value, shape)

    def _param(self, hint: str, kind: TensorType) -> Value:
        return self.site.builder.parameter(hint, kind)

    def _wider(self, kind: TensorType, result: TensorType) -> TensorType:
        if kind.dtype != result.dtype:
            self.site.invalid(f"a carried value is {kind.dtype} before and {result.dtype} after a trip")
        if kind.rank != result.rank:
            self.site.refuse(f"a carried value has rank {kind.rank} before and {result.rank} after a trip")
        return TensorType(tuple(self._size(*pair) for pair in zip(kind.dims, result.dims, strict=True)), kind.dtype)

    def _size(self, before: Expr, after: Expr) -> Expr:
        if names_in(before) & self.own:
            return before
        if self.site.dims.same(before, after) and not names_in(after) & (self.inner | self.own):
            return before
        made = new_size(self.site, "state")
        self.own |= names_in(made)
        return made

    def final(self, kind: TensorType) -> TensorType:
        """Return the type of a carried value after the loop."""
        return TensorType(
            tuple(new_size(self.site, "state") if names_in(dim) & self.own else dim for dim in kind.dims), kind.dtype
        )

    def stacked(self, kind: TensorType, rows: Expr) -> TensorType:
        """Return the type of a scanned value after the loop."""
        if any(names_in(dim) & (self.own | self.inner) for dim in kind.dims):
            self.site.refuse("the shape of a scanned value may change from trip to trip")
        return TensorType((rows, *kind.dims), kind.dtype)
