"""The value that an elementwise call computes at one point, as one expression over its operands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tondo.ir import Buffer, Expr, Load, Node, TensorFunction, Var, definitions, rename, rewrite, substitute, walk
from tondo_passes.graph.names import NameSupply
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tondo.ir import Atom, CallDps
    from tondo_schedule.facts import Stage


@dataclass(frozen=True, slots=True)
class Element:
    """``value`` at ``point`` of the result; its loads are of buffers that stand for ``atoms``."""

    point: tuple[Var, ...]
    value: Expr
    atoms: Mapping[Buffer, Atom]


def in_caller(call: CallDps, function: TensorFunction) -> TensorFunction:
    """Return ``function`` with the scalars that ``call`` gives in place of its scalar parameters."""
    if not function.scalars:
        return function
    outside = {item.name for value in call.scalars for item in walk(value) if isinstance(item, Var)}
    variables, _, _ = definitions(function.body)
    if any(var.name in outside for var in variables):
        taken = NameSupply(outside | {var.name for var in function.scalars})
        function = rename(function, taken)
    given = dict(zip(function.scalars, call.scalars, strict=True))
    buffers = tuple(substitute(buffer, given) for buffer in function.buffers)
    return replace(function, params=buffers, body=substitute(function.body, given))


def element_of(call: CallDps, function: TensorFunction) -> Element | None:
    """Return the element that ``call`` computes; None if a stage is not elementwise or reads conditionally."""
    local = in_caller(call, function)
    stages = stages_of(local)
    if not stages or local.outputs != 1 or any(stage.kind != "elementwise" for stage in stages):
        return None
    last = stages[-1]
    point = tuple(index for index in last.store.indices if isinstance(index, Var))
    if last.output != local.output_buffers[0] or len(point) != len(last.store.indices):
        return None
    value = _inlined(last.store.value, {stage.output: stage for stage in stages})
    if any(load.predicate is not None for load in loads_of(value)):
        return None
    return Element(point, value, dict(zip(local.input_buffers, call.args, strict=True)))


def _inlined(value: Expr, stages: Mapping[Buffer, Stage]) -> Expr:
    def change(item: Node) -> Node:
        if not isinstance(item, Load) or item.buffer not in stages:
            return item
        stage = stages[item.buffer]
        pairs = zip(stage.store.indices, item.indices, strict=True)
        point = {own: wanted for own, wanted in pairs if isinstance(own, Var)}
        return rewrite(substitute(stage.store.value, point), change)

    made = rewrite(value, change)
    assert isinstance(made, Expr)
    return made


def loads_of(value: Expr) -> Iterator[Load]:
    """Yield the loads of ``value``."""
    return (item for item in walk(value) if isinstance(item, Load))
