"""One operator in four states: what it means, a numpy function, loops, an expert's schedule.

    python examples/four_states.py [--small] [--rounds N]

The operator is the morphological gradient of an image: the maximum over a window of values plus weights, less the value
in the middle. No standard has it. Its model stays the same throughout; what stands in for the operator changes:

1. *composed*: it is written as a composition of other operators, and the reference interpreter runs the model;
2. *packed*: a numpy function computes it, called by name from compiled code;
3. *loops*: a tensor function says element by element what is computed, the compiler's own rules schedule it;
4. *expert*: a schedule rule that knows how windows slide along rows is attached as well.

Every state gives the same result, bit for bit, in less time than the one before. Times are measured in turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

import tondo
import tondo.ffi
from tondo.driver.attach import OperatorsLike
from tondo.ir import Const, IRModule, Load, TensorFunction, Var, walk
from tondo.passes import Miss, RuleContext
from tondo.script import parse
from tondo_schedule import Schedule
from tondo_schedule.facts import Stage, consumers_of, stages_of

# The bodies of operators are script: names such as Buffer and range(h) have no meaning to Python.
# ruff: noqa: F821, ANN201
# pyright: reportUndefinedVariable=false

Array = np.ndarray

# ------------------------------------------------------------------------------------------ 1. what it means


@tondo.operator(name="vision.gradient", onnx="vision::Gradient")
def gradient(x: Tensor((c, h + 2, w + 2), "float32"), b: Tensor((3, 3), "float32")) -> Tensor((c, h, w), "float32"):
    """Return the maximum of ``x + b`` over each 3 x 3 window, less the value in the middle."""
    shifts = reshape(b, shape=(9, 1, 1, 1))
    top = max(window(x, shifts, at=0), window(x, shifts, at=1), window(x, shifts, at=2))
    middle = max(window(x, shifts, at=3), window(x, shifts, at=4), window(x, shifts, at=5))
    bottom = max(window(x, shifts, at=6), window(x, shifts, at=7), window(x, shifts, at=8))
    return max(top, middle, bottom) - crop(x, down=1, right=1)


@tondo.operator(name="vision.window")
def window(x: Tensor((c, h + 2, w + 2), "float32"), shifts: Tensor((9, 1, 1, 1), "float32"), *, at: int) -> Tensor(
    (c, h, w), "float32"
):
    """Return every window's value at one place, plus the weight of the place."""
    weight = slice(shifts, starts=(at, 0, 0, 0), ends=(at + 1, 1, 1, 1), steps=(1, 1, 1, 1), axes=(0, 1, 2, 3))
    return crop(x, down=at // 3, right=at % 3) + reshape(weight, shape=(1, 1, 1))


@tondo.operator(name="vision.crop")
def crop(x: Tensor((c, h + 2, w + 2), "float32"), *, down: int, right: int) -> Tensor((c, h, w), "float32"):
    """Return ``x`` without its border, moved by some rows and columns."""
    return slice(x, starts=(down, right), ends=(down + h, right + w), steps=(1, 1), axes=(1, 2))


# ------------------------------------------------------------------------------------------ 2. a numpy function


def gradient_in_numpy(x: Array, b: Array, y: Array) -> None:
    """Compute the operator with numpy; ``y`` is filled."""
    rows, columns = y.shape[1:]
    y.fill(-np.inf)
    for i in range(3):
        for j in range(3):
            np.maximum(y, x[:, i : i + rows, j : j + columns] + b[i, j], out=y)
    np.subtract(y, x[:, 1 : 1 + rows, 1 : 1 + columns], out=y)


# ------------------------------------------------------------------------------------------ 3. loops


@tondo.operator(name="vision.gradient_loops")
def gradient_loops(x: Buffer((c, h + 2, w + 2)), b: Buffer((3, 3)), y: Buffer((c, h, w))):
    """Compute the operator element by element."""
    dilated = allocate((c, h, w), "float32")
    for p in range(c):
        for i in range(h):
            for j in range(w):
                dilated[p, i, j] = float32("-inf")
                for di in range(3):
                    for dj in range(3):
                        dilated[p, i, j] = max(dilated[p, i, j], x[p, i + di, j + dj] + b[di, dj])
                y[p, i, j] = dilated[p, i, j] - x[p, i + 1, j + 1]


# ------------------------------------------------------------------------------------------ 4. an expert's schedule


@dataclass(frozen=True)
class SlidingWindows:
    """Schedule a reduction over windows that slide along contiguous rows, with what follows it element by element.

    Several vectors of neighbouring windows stay in registers while the window is walked through, once.
    """

    name: str = "vision.sliding_windows"
    priority: int = 1000

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function, or why the rule does not apply."""
        stages = stages_of(function)
        if stages is None or len(stages) != 2 or stages[0].kind != "reduction":
            return Miss("it is not a reduction with what follows")
        windows, last = stages
        if consumers_of(stages, windows.output) != (last,) or not _slides(windows):
            return Miss("its windows do not slide along rows")
        lanes = context.target.lanes(windows.output.dtype)
        columns = windows.spatial[-1].extent
        if not isinstance(columns, Const) or columns.value % lanes:
            return Miss("its rows are no whole number of vectors")
        vectors = context.choose(
            "vectors", (1, 2, 4, 8), prior=4, constraint=lambda count: columns.value % (count * lanes) == 0
        )
        schedule = Schedule(function, chooser=context)
        *rows, column = schedule.loops(last.block.name)
        outer, inner = schedule.split(column, vectors * lanes)
        schedule.compute_at(windows.block.name, outer)
        schedule.set_scope(windows.output.name, "local")
        walked = schedule.loops(windows.block.name)[-len(windows.reduction) :]
        along = schedule.loops(windows.block.name)[-len(windows.reduction) - 1]
        schedule.reorder(*walked, along)
        start = schedule.decompose_reduction(windows.block.name, walked[0])
        for loop in (inner, along, schedule.loops(start)[-1]):
            vector, lane = schedule.split(loop, lanes)
            schedule.unroll(vector)
            schedule.vectorize(lane)
        for loop in walked:
            schedule.unroll(loop)
        schedule.parallel(schedule.fuse(rows[0], rows[1]) if len(rows) > 1 else rows[0])
        return schedule.result


def _slides(stage: Stage) -> bool:
    """Return whether the last axis of the result moves along the last axis of what is reduced, element by element."""
    column = stage.store.indices[-1]
    loads = [item for item in walk(stage.store.value) if isinstance(item, Load) and item.buffer != stage.output]
    moving = [load for load in loads if column in set(walk(load))]
    return isinstance(column, Var) and bool(moving) and all(column in set(walk(load.indices[-1])) for load in moving)


# ------------------------------------------------------------------------------------------ the four states

MODEL = """
@graph_function(attrs={{"input_names": ("x", "b"), "output_names": ("y",)}})
def main(x: Tensor(({c}, {h} + 2, {w} + 2), "float32"), b: Tensor((3, 3), "float32")):
    y: Tensor(({c}, {h}, {w}), "float32") = call("vision.gradient", x, b)
    return (y,)
"""


def model(c: int, h: int, w: int) -> IRModule:
    """Return a model of one operator: images of ``c`` channels, ``h`` rows and ``w`` columns, and a border."""
    return parse(MODEL.format(c=c, h=h, w=w))


def states(source: IRModule) -> dict[str, Callable[[Array, Array], Array]]:
    """Return the model in its four states, each compiled for one thread."""
    composed = [gradient, window, crop]

    def compiled(options: Mapping[str, str], ops: Sequence[OperatorsLike]) -> Callable[[Array, Array], Array]:
        replace = {"use": "graph.replace", "operator": "vision.gradient", **options}
        passes = [replace, "default"]
        return tondo.compile(source, threads=1, config={"passes": passes}, ops=[*composed, *ops])

    tondo.ffi.register("vision.gradient", gradient_in_numpy, override=True)
    loops = {"with_operator": "vision.gradient_loops"}
    return {
        "composed": tondo.compile(source, target="interp", ops=composed),
        "packed": compiled({"with_packed": "vision.gradient"}, []),
        "loops": compiled(loops, [gradient_loops]),
        "expert": compiled(loops, [gradient_loops, SlidingWindows()]),
    }


def measured(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each call in every round; the calls take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            begin = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Run the four states, check that they agree, print and return their median times in seconds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--small", action="store_true", help="images of a size for tests")
    parser.add_argument("--rounds", type=int, default=7, help="how often each state is measured")
    options = parser.parse_args(arguments)
    c, h, w = (8, 256, 256) if options.small else (16, 384, 512)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((c, h + 2, w + 2)).astype(np.float32)
    b = generator.standard_normal((3, 3)).astype(np.float32)
    expected = np.empty((c, h, w), np.float32)
    gradient_in_numpy(x, b, expected)

    run = states(model(c, h, w))
    for name, call in run.items():
        np.testing.assert_array_equal(call(x, b), expected, err_msg=name)
    seconds = measured({name: lambda call=call: call(x, b) for name, call in run.items()}, options.rounds)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    print(f"{c} images of {h} x {w}, one thread, median of {options.rounds} rounds")
    for name, found in medians.items():
        print(f"{name:10} {found * 1e3:9.2f} ms   {medians['composed'] / found:7.1f} times as fast as composed")
    return medians


if __name__ == "__main__":
    main()
