"""The axis of columns of a tensor function: along it, every element is computed as all others are.

A function has columns when one axis of its result runs over columns of some of its parameters (weights, a bias) and
nothing in it depends on which column it is, or on how many there are: ``y[i, c] = act(sum(x[i, k] * w[k, c]) + b[c])``.
Then functions that differ in their numbers of columns alone are one function of all columns next to each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tondo.ir import Block, Buffer, Const, For, IterVar, Load, Node, Stmt, Store, Var, rewrite, substitute, walk
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tondo.ir import TensorFunction
    from tondo_schedule.facts import Stage


@dataclass(frozen=True, slots=True)
class Columns:
    """The axis of columns of ``function``: ``places`` says which dimension it is of every buffer that has it."""

    function: TensorFunction
    places: Mapping[Buffer, int]
    iters: frozenset[Var]
    extent: int

    @property
    def inputs(self) -> dict[int, int]:
        """The dimension of the columns, by position, of the inputs that have them."""
        pairs = enumerate(self.function.input_buffers)
        return {position: self.places[buffer] for position, buffer in pairs if buffer in self.places}

    @property
    def result(self) -> int:
        """The dimension of the columns of the result."""
        return self.places[self.function.output_buffers[0]]

    def with_extent(self, extent: int) -> TensorFunction:
        """Return the function of ``extent`` columns."""
        buffers = {buffer: _resized(buffer, place, extent) for buffer, place in self.places.items()}
        loops = {it.binding for it in walk(self.function.body) if isinstance(it, IterVar) and it.var in self.iters}

        def change(item: Node) -> Node:
            if isinstance(item, IterVar) and item.var in self.iters:
                return replace(item, extent=Const(extent))
            return replace(item, extent=Const(extent)) if isinstance(item, For) and item.var in loops else item

        body = rewrite(substitute(self.function.body, None, buffers), change)
        assert isinstance(body, Stmt)
        params = tuple(buffers.get(item, item) if isinstance(item, Buffer) else item for item in self.function.params)
        return replace(self.function, params=params, body=body)


def columns_of(function: TensorFunction, buffer: Buffer, place: int) -> Columns | None:
    """Return the columns that dimension ``place`` of the input ``buffer`` of ``function`` is.

    None if an element depends on the number or the order of the columns, or the number is not constant.
    """
    stages = stages_of(function)
    extent = buffer.shape[place]
    if not stages or function.outputs != 1 or not isinstance(extent, Const):
        return None
    places, iters, before = {buffer: place}, set[Var](), 0
    while before != len(places):  # a later stage may show that an input which an earlier one reads has columns
        before = len(places)
        for stage in stages:
            if not _followed(stage, places, iters, frozenset(function.input_buffers)):
                return None
    same = all(item.shape[where] == extent and item.strides is None for item, where in places.items())
    bound = all(
        isinstance(it.binding, Var) and it.extent == extent and it.kind == "spatial"
        for stage in stages
        for it in stage.block.iters
        if it.var in iters
    )
    if not same or not bound or function.output_buffers[0] not in places:
        return None
    return Columns(function, places, frozenset(iters), int(extent.value))


def _followed(stage: Stage, places: dict[Buffer, int], iters: set[Var], inputs: frozenset[Buffer]) -> bool:
    """Note in ``places`` and ``iters`` what ``stage`` says about columns; False if it does more than follow them."""
    loads = [item for item in walk(stage.block) if isinstance(item, Load)]
    stores = [item for item in walk(stage.block) if isinstance(item, Store)]
    marked = [*((load.buffer, load.indices) for load in loads), *((store.buffer, store.indices) for store in stores)]
    own = {indices[places[buffer]] for buffer, indices in marked if buffer in places}
    if not own:
        return True
    (column,) = own if len(own) == 1 else (None,)
    if not isinstance(column, Var) or stage.block.predicate is not None or stage.kind == "opaque":
        return False
    for buffer, indices in marked:
        at = [place for place, index in enumerate(indices) if index == column]
        if any(column in walk(index) for index in indices if index != column) or len(at) > 1:
            return False
        if not at:
            continue
        if buffer != stage.output and buffer not in inputs and buffer not in places:
            return False
        if places.setdefault(buffer, at[0]) != at[0]:
            return False
    iters.add(column)
    return stage.output in places and not _seen_elsewhere(stage.block, column)


def _seen_elsewhere(block: Block, column: Var) -> bool:
    """Whether a value in ``block`` depends on ``column`` beyond being an index."""
    accesses = [item for item in walk(block.body) if isinstance(item, (Load, Store))]
    if block.init is not None:
        accesses.extend(item for item in walk(block.init) if isinstance(item, (Load, Store)))
    bodies = [block.body] if block.init is None else [block.body, block.init]
    total = sum(item == column for body in bodies for item in walk(body))
    return total != sum(index == column for item in accesses for index in item.indices)


def _resized(buffer: Buffer, place: int, extent: int) -> Buffer:
    return replace(buffer, shape=(*buffer.shape[:place], Const(extent), *buffer.shape[place + 1 :]))
