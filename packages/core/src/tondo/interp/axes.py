"""Run a planned nest with its loops as axes of arrays.

Large nests run in pieces of at most :data:`GRID` points, so that memory stays bounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tondo.interp.arithmetic import binary_function
from tondo.interp.expressions import Evaluator, active, checked_indices, compile_expr
from tondo.interp.frame import Frame
from tondo.interp.nests import Nest, Update
from tondo.interp.values import Value, is_array
from tondo.ir import Block, DType, If, Let

GRID = 1 << 20
"""Most points of an iteration grid at once."""

_SMALLEST = 4
_REDUCERS: Mapping[str, np.ufunc] = {
    "add": np.add,
    "mul": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
}
Runner = Callable[[Frame], None]


@dataclass(frozen=True, slots=True)
class AxisRunner:
    """Runs one nest; ``run`` returns False, with nothing done, where the loops have to run one by one."""

    nest: Nest
    body: Runner
    bounds: tuple[tuple[Evaluator, Evaluator], ...]
    keys: Mapping[str, Mapping[int, Evaluator]]
    update: CompiledUpdate | None

    def run(self, frame: Frame) -> bool:
        """Run the nest in ``frame`` if its actual values allow it."""
        if frame.lanes:
            return False
        ranges = [(begin(frame), extent(frame)) for begin, extent in self.bounds]
        if any(extent <= 0 for _, extent in ranges):
            return False  # a reduction over nothing still starts, which the loops see to
        if self._aliased(frame):
            return False
        lanes = self.nest.lanes
        rest = tuple(position for position in range(len(ranges)) if position not in lanes)
        together = (*lanes, *rest) if self.update is not None else lanes
        if np.prod([ranges[position][1] for position in together], dtype=np.int64) < _SMALLEST:
            return False
        names = [loop.var.name for loop in self.nest.loops]
        saved = {name: frame.values.get(name) for name in names}
        try:
            frame.lanes = True
            if self.update is not None and rest:
                return self._run_update(frame, ranges, names, lanes, rest)
            return self._run_lanes(frame, ranges, names, lanes, rest)
        finally:
            frame.lanes = False
            frame.mask = None
            for name, value in saved.items():
                frame.values.pop(name, None)
                if value is not None:
                    frame.values[name] = value

    def _aliased(self, frame: Frame) -> bool:
        """Whether a written buffer shares memory with another one of the nest."""
        for name in self.keys:
            memory = frame.buffers.get(name)
            if memory is None:
                return True
            for other in self.nest.touched:
                if other != name and (other not in frame.buffers or np.may_share_memory(memory, frame.buffers[other])):
                    return True
        return False

    def _run_lanes(
        self,
        frame: Frame,
        ranges: list[tuple[int, int]],
        names: list[str],
        lanes: tuple[int, ...],
        rest: tuple[int, ...],
    ) -> bool:
        pieces = _pieces([ranges[position] for position in lanes])
        first = True
        for piece in pieces:
            _set_axes(frame, [names[position] for position in lanes], piece)
            if not self._distinct(frame, [count for _, count in piece]):
                if first:
                    return False
                frame.lanes = False
                self._one_by_one(frame, piece, names, lanes, rest, ranges)
                frame.lanes = True
                continue
            first = False
            self._steps(frame, names, rest, ranges)
        return True

    def _steps(self, frame: Frame, names: list[str], rest: tuple[int, ...], ranges: list[tuple[int, int]]) -> None:
        for step in itertools.product(*(range(ranges[p][0], sum(ranges[p])) for p in rest)):
            for position, value in zip(rest, step, strict=True):
                frame.values[names[position]] = value
            self.body(frame)

    def _one_by_one(
        self,
        frame: Frame,
        piece: list[tuple[int, int]],
        names: list[str],
        lanes: tuple[int, ...],
        rest: tuple[int, ...],
        ranges: list[tuple[int, int]],
    ) -> None:
        for point in itertools.product(*(range(begin, begin + count) for begin, count in piece)):
            for position, value in zip(lanes, point, strict=True):
                frame.values[names[position]] = value
            self._steps(frame, names, rest, ranges)

    def _distinct(self, frame: Frame, counts: list[int]) -> bool:
        """Whether no two lanes share an element of a written buffer."""
        if self.nest.distinct:
            return True
        total = int(np.prod(counts, dtype=np.int64))
        for name, key in self.keys.items():
            shape = frame.buffers[name].shape
            linear: Value = 0
            for dim, index in key.items():
                linear = linear * max(1, shape[dim]) + index(frame)
            flat = np.asarray(linear).reshape(-1)
            if flat.size != total or np.unique(flat).size != total:
                return False
            for dim, index in key.items():
                value = np.asarray(index(frame))
                if np.any(value < 0) or np.any(value >= shape[dim]):
                    return False  # outside, the linear index is ambiguous; the plain loops report it
        return True

    def _run_update(
        self,
        frame: Frame,
        ranges: list[tuple[int, int]],
        names: list[str],
        lanes: tuple[int, ...],
        rest: tuple[int, ...],
    ) -> bool:
        assert self.update is not None
        order = (*lanes, *rest)
        moved = (*rest, *lanes)
        for piece in _pieces([ranges[position] for position in order]):
            by_position = dict(zip(order, piece, strict=True))
            box = [by_position[position] for position in moved]
            _set_axes(frame, [names[position] for position in moved], box)
            counts = [count for _, count in box]
            if not self._distinct(frame, counts[len(rest) :]) or not self.update.run(frame, counts, len(rest)):
                frame.lanes, frame.mask = False, None
                self._one_by_one(frame, piece, names, order, (), ranges)
                frame.lanes = True
        return True


@dataclass(frozen=True, slots=True)
class CompiledUpdate:
    """A combination whose loops are axes: the reduced ones first, then the lanes."""

    update: Update
    chain: tuple[Mapping[str, Evaluator], ...]
    indices: tuple[Evaluator, ...]
    rest: Evaluator
    start: Evaluator | None

    @staticmethod
    def of(update: Update) -> CompiledUpdate:
        """Compile the expressions of ``update``."""
        chain: list[Mapping[str, Evaluator]] = []
        for part in update.chain:
            match part:
                case If():
                    chain.append({"": compile_expr(part.condition)})
                case Let():
                    chain.append({part.var.name: compile_expr(part.value)})
                case Block():
                    inner = {it.var.name: compile_expr(it.binding) for it in part.iters}
                    chain.append({"": compile_expr(part.predicate), **inner} if part.predicate is not None else inner)
        start = None if update.init is None else compile_expr(update.init.value)
        indices = tuple(compile_expr(index) for index in update.store.indices)
        return CompiledUpdate(update, tuple(chain), indices, compile_expr(update.rest), start)

    def run(self, frame: Frame, counts: list[int], reduced: int) -> bool:
        """Combine a whole grid; returns False, with nothing done, if that cannot keep the order of the loops."""
        first, mask, empty = self._enter(frame)
        if empty:
            return True
        frame.mask = mask
        buffer = self.update.store.buffer
        memory = frame.memory(buffer)
        inner = tuple(counts[reduced:])
        steps = int(np.prod(counts[:reduced], dtype=np.int64))
        place = [index(frame) for index in self.indices]
        if any(is_array(index) and index.shape[:reduced] != (1,) * reduced for index in place):
            return False
        allowed = None if mask is None else np.broadcast_to(mask, tuple(counts)).reshape(steps, *inner)
        start = self._start(frame, first, allowed, counts, steps, inner, reduced)
        if start is None:
            return False
        resets, fresh = start
        place = checked_indices(frame, buffer, place, mask, "store to", None)
        place = [index.reshape(index.shape[reduced:]) if is_array(index) else index for index in place]
        element = buffer.dtype
        total = np.broadcast_to(np.asarray(memory[tuple(place)]), inner)
        if resets is not None:
            total = np.where(resets, fresh, total).astype(element.numpy)
        values = np.broadcast_to(np.asarray(self.rest(frame), element.numpy), tuple(counts)).reshape(steps, *inner)
        total = _combine(self.update, total, values, allowed, element)
        frame.mask = None
        if allowed is None:
            memory[tuple(place)] = total if inner else total[()]
            return True
        written = allowed.any(axis=0)
        full = [np.broadcast_to(index, inner)[written] for index in place]
        if full:
            memory[tuple(full)] = total[written]
        elif written:
            memory[()] = total
        return True

    def _enter(self, frame: Frame) -> tuple[Value, np.ndarray | None, bool]:
        """Bind the chain; returns where the reduction starts, the active instances and whether there are none."""
        first: Value = False
        mask: np.ndarray | None = None
        for part, evaluators in zip(self.update.chain, self.chain, strict=True):
            frame.mask = mask
            bound = {name: evaluator(frame) for name, evaluator in evaluators.items()}
            condition = bound.pop("", None)
            frame.values.update(bound)
            if condition is not None:
                if is_array(condition):
                    mask = active(mask, condition)
                elif not condition:
                    return first, mask, True
            if isinstance(part, Block) and part.init is not None:
                first = True
                for it in part.iters:
                    if it.kind == "reduction":
                        first = np.logical_and(first, bound[it.var.name] == 0)
        return first, mask, mask is not None and not mask.any()

    def _start(
        self,
        frame: Frame,
        first: Value,
        allowed: np.ndarray | None,
        counts: list[int],
        steps: int,
        inner: tuple[int, ...],
        reduced: int,
    ) -> tuple[Value, Value] | None:
        """Return the elements that start afresh and their first value; None if a restart is not at the beginning."""
        if self.start is None or not np.any(first):
            return None, None
        begins = np.broadcast_to(first, tuple(counts)).reshape(steps, *inner)
        if begins[1:].any():
            return None if steps > 1 else (begins[0], None)
        value = self.start(frame)
        if is_array(value):
            if value.shape[:reduced] != (1,) * reduced:
                return None
            value = value.reshape(value.shape[reduced:])
        return (begins[0] if allowed is None else begins[0] & allowed[0]), value


def _combine(
    update: Update, total: np.ndarray, values: np.ndarray, allowed: np.ndarray | None, element: DType
) -> np.ndarray:
    reducer = _REDUCERS[update.op]
    nans = element.is_float and update.op in {"min", "max"}
    unordered = nans and bool(np.isnan(values).any() or np.isnan(total).any())
    if unordered or (allowed is not None and not element.is_float):
        function = binary_function(update.op, element)
        for step in range(values.shape[0]):
            value = values[step]
            joined = function(value, total) if update.swapped else function(total, value)
            total = joined if allowed is None else np.where(allowed[step], joined, total)
        return np.asarray(total)
    if allowed is not None:
        values = np.where(allowed, values, element.numpy.type(_NEUTRAL[update.op]))
    values = np.array(values, element.numpy)
    values[0] = reducer(total, values[0])
    if total.size == 1:  # numpy sums a single column pairwise; keep the order of the loops
        return np.asarray(reducer.accumulate(values.reshape(-1), dtype=element.numpy)[-1]).reshape(total.shape)
    return np.asarray(reducer.reduce(values, axis=0, dtype=element.numpy))


_NEUTRAL = {"add": -0.0, "mul": 1.0, "min": float("inf"), "max": float("-inf")}


def _pieces(ranges: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield boxes of at most :data:`GRID` points that cover ``ranges``, in lexicographic order."""
    sizes: list[int] = []
    inner = 1
    for _, extent in reversed(ranges):
        sizes.append(max(1, min(extent, GRID // inner)))
        inner *= extent
    sizes.reverse()
    starts = [range(begin, begin + extent, size) for (begin, extent), size in zip(ranges, sizes, strict=True)]
    for corner in itertools.product(*starts):
        yield [
            (at, min(size, begin + extent - at))
            for at, size, (begin, extent) in zip(corner, sizes, ranges, strict=True)
        ]


def _set_axes(frame: Frame, names: list[str], box: list[tuple[int, int]]) -> None:
    for axis, (name, (begin, count)) in enumerate(zip(names, box, strict=True)):
        shape = [1] * len(names)
        shape[axis] = count
        frame.values[name] = np.arange(begin, begin + count, dtype=np.int64).reshape(shape)
