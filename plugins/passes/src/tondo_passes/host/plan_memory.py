"""``host.plan_memory``: every intermediate tensor gets a place in one arena; memory is reused when its value is dead.

After the pass the attribute ``memory`` of each graph function holds ``places`` (pairs of a value's name and its byte
offset) and ``workspace`` (the size of the arena in bytes); both are expressions over the symbolic dimensions. The
scratch buffers of a kernel (see ``tensor.lift_workspace``) are planned like values that live during one call, under
the names that :func:`scratch_name` gives.

Values of constant size are packed by offset (largest first, lowest free gap). Values of symbolic size share slots
behind them: a slot is as large as the largest of its values, and a value may take a slot over when one size provably
bounds the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final

from tondo.arith import Analyzer
from tondo.ir import (
    Attrs, Binding, Buffer, CallDps, Const, Expr, GraphFunction, GraphVar, IRModule, MatchShape, TensorFunction, Var, add, floordiv, maximum, mul, substitute,
    walk,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tondo.passes import PassContext

ALIGNMENT: Final = 64


@dataclass(frozen=True)
class PlanMemory:
    """Plan the arena of every graph function."""

    name: ClassVar[str] = "host.plan_memory"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"planned"})

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with the attribute ``memory`` on its graph functions."""
        del context
        return module.with_functions(_plan(function, module) for function in module.graph_functions())


@dataclass(frozen=True, slots=True)
class _Value:
    """Something that needs memory from its ``first`` to its ``last`` use (positions of bindings, inclusive)."""

    name: str
    size: Expr
    first: int
    last: int

    def overlaps(self, other: _Value) -> bool:
        return self.first <= other.last and other.first <= self.last


def scratch_name(binding: Binding, index: int) -> str:
    """Return the name under which the ``index``-th scratch buffer of a call is planned."""
    return f"{binding.vars[0].name}.scratch{index}"


def scratch_buffers(function: TensorFunction) -> tuple[Buffer, ...]:
    """Return the trailing parameters of ``function`` that are scratch memory."""
    count = function.attrs.get("workspace", 0)
    return function.buffers[len(function.buffers) - int(str(count)) :] if count else ()


def byte_size(shape: Iterable[Expr], width: int) -> Expr:
    """Return the bytes of a tensor, rounded up to the alignment."""
    total: Expr = Const(width)
    for extent in shape:
        total = mul(total, extent)
    return mul(floordiv(add(total, ALIGNMENT - 1), ALIGNMENT), ALIGNMENT)


def _plan(function: GraphFunction, module: IRModule) -> GraphFunction:
    values = _values(function, module)
    static = [value for value in values if isinstance(value.size, Const)]
    symbolic = [value for value in values if not isinstance(value.size, Const)]
    places, used = _pack(static)
    slots = _share(symbolic, _analyzer(function))
    offset: Expr = Const(used)
    for slot in slots:
        for value in slot.values:
            places[value.name] = offset
        offset = add(offset, slot.size)
    memory = Attrs(places=tuple((name, place) for name, place in places.items()), workspace=offset)
    return replace(function, attrs=function.attrs.with_(memory=memory))


def _values(function: GraphFunction, module: IRModule) -> list[_Value]:
    results = {atom for atom in function.results if isinstance(atom, GraphVar)}
    root = aliases(function)
    last: dict[GraphVar, int] = {}
    for position, binding in enumerate(function.bindings):
        for item in walk(binding.operation):
            if isinstance(item, GraphVar):
                last[root.get(item, item)] = position
    values: list[_Value] = []
    for position, binding in enumerate(function.bindings):
        if not isinstance(binding.operation, MatchShape):
            values.extend(
                _Value(var.name, byte_size(var.tensor.dims, var.tensor.dtype.bytes), position, last.get(var, position))
                for var in binding.vars
                if var not in results
            )
        if isinstance(binding.operation, CallDps):
            values.extend(_scratch(binding, binding.operation, module, position))
    return values


def _scratch(binding: Binding, call: CallDps, module: IRModule, position: int) -> list[_Value]:
    callee = module.tensor(call.function)
    scalars: dict[Var, Expr] = dict(zip(callee.scalars, call.scalars, strict=True))
    return [
        _Value(scratch_name(binding, i), byte_size(_evaluated(buffer.shape, scalars), buffer.dtype.bytes), position, position)
        for i, buffer in enumerate(scratch_buffers(callee))
    ]


def _evaluated(shape: tuple[Expr, ...], scalars: dict[Var, Expr]) -> list[Expr]:
    from_callee = Analyzer()
    return [from_callee.simplify(substitute(extent, scalars)) for extent in shape]


def aliases(function: GraphFunction) -> dict[GraphVar, GraphVar]:
    """Return, for values that only rename another (shape matches), the value whose memory they use."""
    root: dict[GraphVar, GraphVar] = {}
    for binding in function.bindings:
        if isinstance(binding.operation, MatchShape) and isinstance(binding.operation.arg, GraphVar):
            root[binding.var] = root.get(binding.operation.arg, binding.operation.arg)
    return root


def _pack(values: list[_Value]) -> tuple[dict[str, Expr], int]:
    """Place values of constant size: largest first, each at the lowest offset that is free while it lives."""
    placed: list[tuple[int, int, _Value]] = []
    places: dict[str, Expr] = {}
    top = 0
    for value in sorted(values, key=_constant_size, reverse=True):
        size = _constant_size(value)
        offset = 0
        for begin, end, other in sorted(placed, key=lambda item: item[0]):
            if value.overlaps(other) and begin < offset + size and offset < end:
                offset = end
        placed.append((offset, offset + size, value))
        places[value.name] = Const(offset)
        top = max(top, offset + size)
    return places, top


def _constant_size(value: _Value) -> int:
    assert isinstance(value.size, Const)  # noqa: S101  the caller sorted them out
    return int(value.size.value)


@dataclass
class _Slot:
    size: Expr
    values: list[_Value] = field(default_factory=list)


def _share(values: list[_Value], analyzer: Analyzer) -> list[_Slot]:
    slots: list[_Slot] = []
    for value in values:
        for slot in slots:
            if any(value.overlaps(other) for other in slot.values):
                continue
            if analyzer.prove(value.size <= slot.size):
                slot.values.append(value)
                break
            if analyzer.prove(slot.size <= value.size):
                slot.size = value.size
                slot.values.append(value)
                break
        else:
            free = next((slot for slot in slots if not any(value.overlaps(other) for other in slot.values)), None)
            if free is None:
                slots.append(_Slot(value.size, [value]))
            else:
                free.size = maximum(free.size, value.size)
                free.values.append(value)
    return slots


def _analyzer(function: GraphFunction) -> Analyzer:
    analyzer = Analyzer()
    names: set[Var] = set()
    for param in function.params:
        names.update(item for item in walk(param.type) if isinstance(item, Var))
    for var in sorted(names, key=lambda item: item.name):
        analyzer = analyzer.assume(var >= 1)
    return analyzer
