"""Random tensor functions: hypothesis draws stages one after the other, each a map or a reduction over earlier ones.

An index of an access is drawn such that it stays inside the buffer whatever the loops do: a loop variable, shifted,
mirrored, strided, divided, or a sum of two (a window, a flattened pair). Sizes are small, often 1 or prime; one
dimension may be the symbol ``n``. Values stay near one and nothing is decided by the rounding of a float.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from tondo.ir import (
    FLOAT32,
    FLOAT64,
    INT32,
    Binding,
    Buffer,
    CallDps,
    Compute,
    Const,
    DType,
    Expr,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorFunction,
    TensorType,
    Var,
    as_expr,
    const,
    dims,
    intrin,
    maximum,
    minimum,
    select,
)

N = Var("n")

Draw = Callable[[st.SearchStrategy[object]], object]
Size = Expr | int

SIZES = st.sampled_from([1, 1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 19, 23, 31, 32, 33, 47, 64])
FLOATS = (FLOAT32, FLOAT64)
STEPS = ("add", "subtract", "mix", "max", "min", "tanh", "exp", "sigmoid", "clip", "where", "leaky", "index")
MAX_POINTS = 6000


@dataclass(frozen=True)
class RandomFunction:
    """A tensor function with, for any ``n``, seeded inputs of it."""

    function: TensorFunction
    seed: int

    def inputs(self, n: int) -> list[npt.NDArray[np.generic]]:
        rng = np.random.default_rng([self.seed, n])
        return [values(rng, buffer, n) for buffer in self.function.input_buffers]

    def module(self) -> IRModule:
        """Return a module whose graph function calls the tensor function."""
        function = self.function
        params = [GraphVar(f"p_{buffer.name}", type_of(buffer)) for buffer in function.input_buffers]
        results = [GraphVar(f"r_{buffer.name}", type_of(buffer)) for buffer in function.output_buffers]
        call = CallDps(function.name, tuple(params), function.scalars)
        graph = GraphFunction("main", tuple(params), (Binding(tuple(results), call),), tuple(results))
        return IRModule({"main": graph, function.name: function})


def type_of(buffer: Buffer) -> TensorType:
    return TensorType(buffer.shape, buffer.dtype)


def values(rng: np.random.Generator, buffer: Buffer, n: int) -> npt.NDArray[np.generic]:
    shape = [count(extent, n) for extent in buffer.shape]
    if buffer.dtype in FLOATS:
        return rng.standard_normal(shape).astype(buffer.dtype.numpy)
    return rng.integers(-9, 10, shape).astype(buffer.dtype.numpy)


def count(extent: Size, n: int = 13) -> int:
    if isinstance(extent, int):
        return extent
    return int(extent.value) if isinstance(extent, Const) else n


def points(shape: Sequence[Size]) -> int:
    return int(np.prod([count(extent) for extent in shape], dtype=np.int64))


@dataclass
class Sketch:
    """A function that grows."""

    draw: Draw
    builder: Compute
    buffers: list[Buffer] = field(default_factory=list)
    read: set[Buffer] = field(default_factory=set)

    def flip(self) -> bool:
        return bool(self.draw(st.booleans()))

    def choose(self, items: Sequence[object]) -> object:
        return self.draw(st.sampled_from(list(items)))


@dataclass(frozen=True)
class Axis:
    """A loop of a stage: its variable and its extent."""

    var: Var
    extent: Size

    @property
    def size(self) -> int | None:
        return None if is_symbol(self.extent) else count(self.extent)


def is_symbol(extent: Size) -> bool:
    return isinstance(extent, Var)


@st.composite
def functions(draw: Draw, *, symbolic: bool, most: int = 4) -> RandomFunction:
    """Draw a function of up to ``most`` stages; with ``symbolic``, its first input begins with the dimension ``n``."""
    sketch = Sketch(draw, Compute("f"))
    for index in range(draw(st.integers(1, 3))):
        shape = draw_shape(sketch)
        if symbolic and (index == 0 or sketch.flip()):
            shape = [N, *shape[1:]]
        kind = sketch.choose([FLOAT32, FLOAT32, FLOAT32, FLOAT64, INT32])
        sketch.buffers.append(sketch.builder.input(f"x{index}", TensorType(dims(shape), kind)))
    inputs = len(sketch.buffers)
    for index in range(draw(st.integers(1, most))):
        add_stage(sketch, f"s{index}", symbolic=symbolic)
    stages = sketch.buffers[inputs:]
    results = [buffer for buffer in stages if buffer not in sketch.read]
    if stages[0] not in results and draw(st.integers(0, 3)) == 0:
        results.append(stages[0])
    return RandomFunction(sketch.builder.build(*results), draw(st.integers(0, 1 << 16)))


def draw_shape(sketch: Sketch, least: int = 1) -> list[Size]:
    shape = sketch.draw(st.lists(SIZES, min_size=least, max_size=4))
    while points(shape) > MAX_POINTS:
        shape[int(np.argmax(shape))] = 3
    return shape


def add_stage(sketch: Sketch, name: str, *, symbolic: bool) -> None:
    shape = draw_shape(sketch, int(sketch.draw(st.integers(0, 7)) > 0))
    if symbolic and sketch.flip():
        shape = [*shape, N] if sketch.flip() else [N, *shape]
    over: list[Size] = []
    if sketch.flip():
        over = sketch.draw(st.lists(SIZES, min_size=1, max_size=2))
        over = [N, *over[1:]] if symbolic and sketch.draw(st.integers(0, 3)) == 0 else over
    while points([*shape, *over]) > MAX_POINTS:
        group = shape if points(shape) >= points(over) else over
        group[int(np.argmax([count(extent) for extent in group]))] = 2
    combiner = sketch.choose(["sum", "sum", "max", "min"])
    kind = sketch.choose([FLOAT32, FLOAT32, FLOAT32, FLOAT64, INT32])
    if kind == INT32 and not any(buffer.dtype == INT32 for buffer in sketch.buffers):
        kind = FLOAT32
    total = points(over)

    def value(*variables: Var) -> Expr:
        axes = [Axis(var, extent) for var, extent in zip(variables, [*shape, *over], strict=True)]
        if kind == INT32:
            return integer_term(sketch, axes)
        term = product(sketch, axes, kind) if over and sketch.flip() else float_term(sketch, axes, kind)
        return term * const(1.0 / max(1, total), kind) if over and combiner == "sum" else term

    if over:
        sketch.buffers.append(sketch.builder.reduce(name, shape, over, value, combiner))
    else:
        sketch.buffers.append(sketch.builder.compute(name, shape, value))


# ---------------------------------------------------------------------------------------------- values


def load(sketch: Sketch, axes: Sequence[Axis], wanted: Sequence[DType]) -> Expr:
    known = [buffer for buffer in reversed(sketch.buffers) if buffer.dtype in wanted]
    buffer = known[0] if sketch.draw(st.integers(0, 2)) else sketch.choose(known)
    sketch.read.add(buffer)
    return buffer[tuple(index(sketch, axes, extent) for extent in buffer.shape)]


def float_load(sketch: Sketch, axes: Sequence[Axis], kind: DType) -> Expr:
    found = load(sketch, axes, [buffer.dtype for buffer in sketch.buffers])
    return found if found.dtype == kind else found.astype(kind)


def product(sketch: Sketch, axes: Sequence[Axis], kind: DType) -> Expr:
    """Return the product of two loads: with a sum, a contraction."""
    return float_load(sketch, axes, kind) * float_load(sketch, axes, kind)


def float_term(sketch: Sketch, axes: Sequence[Axis], kind: DType) -> Expr:
    term = float_load(sketch, axes, kind)
    for _ in range(sketch.draw(st.integers(0, 3))):
        term = float_step(sketch, axes, kind, term)
    return term


def float_step(sketch: Sketch, axes: Sequence[Axis], kind: DType, term: Expr) -> Expr:
    match sketch.choose(
        ["add", "subtract", "mix", "max", "min", "tanh", "exp", "sigmoid", "clip", "where", "leaky", "index"]
    ):
        case "add":
            return term + float_load(sketch, axes, kind)
        case "subtract":
            return float_load(sketch, axes, kind) - term
        case "mix":
            return intrin("tanh", term) * intrin("tanh", float_load(sketch, axes, kind))
        case "max":
            return maximum(term, float_load(sketch, axes, kind))
        case "min":
            return minimum(term, float_load(sketch, axes, kind))
        case "tanh":
            return intrin("tanh", term)
        case "exp":
            return intrin("exp", minimum(term, const(2.0, kind)))
        case "sigmoid":
            return const(1.0, kind) / (const(1.0, kind) + intrin("exp", -maximum(term, const(-4.0, kind))))
        case "clip":
            return minimum(maximum(term, const(-1.0, kind)), const(1.5, kind))
        case "where":
            return select(condition(sketch, axes), term, const(0.5, kind))
        case "leaky":
            return select(term > const(0.0, kind), term, term * const(0.25, kind))
        case _:
            return term + (place(sketch, axes) % 5).astype(kind) * const(0.125, kind)


def integer_term(sketch: Sketch, axes: Sequence[Axis]) -> Expr:
    term = load(sketch, axes, [INT32])
    for _ in range(sketch.draw(st.integers(0, 3))):
        match sketch.choose(["add", "max", "multiply", "divide", "modulo", "where", "index"]):
            case "add":
                term = term + load(sketch, axes, [INT32])
            case "max":
                term = maximum(term, load(sketch, axes, [INT32]))
            case "multiply":
                term = (term % 31) * (load(sketch, axes, [INT32]) % 17)
            case "divide":
                term = term // const(sketch.choose([2, 3, 7, -3]), INT32)
            case "modulo":
                term = term % const(sketch.choose([2, 5, 16]), INT32)
            case "where":
                term = select(condition(sketch, axes), term, const(-1, INT32))
            case _:
                term = term + place(sketch, axes).astype(INT32)
    return term % const(1000, INT32)


def place(sketch: Sketch, axes: Sequence[Axis]) -> Expr:
    return as_expr(sketch.choose(axes).var) if axes else as_expr(3)


def condition(sketch: Sketch, axes: Sequence[Axis]) -> Expr:
    """Return a comparison of loop variables: padding, a triangle, a stripe."""
    if not axes:
        return as_expr(1) < 2
    first, second = sketch.choose(axes), sketch.choose(axes)
    match sketch.choose(["below", "above", "triangle", "stripe", "both"]):
        case "below":
            return first.var < sketch.draw(st.integers(0, 20))
        case "above":
            return first.var >= sketch.draw(st.integers(0, 20))
        case "triangle":
            return first.var <= second.var
        case "stripe":
            return (first.var % sketch.choose([2, 3, 4])).eq(0)
        case _:
            return (first.var >= 1) & (second.var < 6)


# ---------------------------------------------------------------------------------------------- indices


def index(sketch: Sketch, axes: Sequence[Axis], extent: Expr) -> Expr:
    """Return an index that lies in ``[0, extent)`` for all values of the loop variables."""
    if is_symbol(extent):
        own = [axis.var for axis in axes if is_symbol(axis.extent)]
        if own and sketch.draw(st.integers(0, 4)) > 0:
            var = sketch.choose(own)
            return N - 1 - var if sketch.draw(st.integers(0, 5)) == 0 else as_expr(var)
        return as_expr(0)
    size = count(extent)
    found = [as_expr(sketch.draw(st.integers(0, size - 1)))] if not axes or sketch.draw(st.integers(0, 5)) == 0 else []
    return sketch.choose(found or candidates(sketch, axes, size))


def candidates(sketch: Sketch, axes: Sequence[Axis], size: int) -> list[Expr]:
    result: list[Expr] = []
    for axis in axes:
        known = axis.size
        if known is None:
            result.append(axis.var % size)
        elif known <= size:
            shift = sketch.draw(st.integers(0, size - known))
            result += [as_expr(axis.var)] * 3 + [axis.var + shift, size - 1 - axis.var]
            if known > 1 and (known - 1) * 2 < size:
                result.append(axis.var * 2)
        else:
            result += [axis.var % size, axis.var // -(-known // size), minimum(axis.var, as_expr(size - 1))]
    for outer in axes:
        for inner in axes:
            if outer is not inner and outer.size and inner.size:
                result += pairs(outer, inner, size)
    return result


def pairs(outer: Axis, inner: Axis, size: int) -> list[Expr]:
    """Return sums of two loop variables that stay below ``size``: windows, also strided, and flattened pairs."""
    result: list[Expr] = []
    for step in (1, 2, inner.size):
        if (outer.size - 1) * step + inner.size - 1 < size:
            result += [outer.var * step + inner.var] * 2
    return result
