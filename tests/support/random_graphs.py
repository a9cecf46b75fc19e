"""Random ONNX graphs: hypothesis draws operators one after the other, each on values that came before.

Every value is known by its shape, in which one dimension may be the symbol ``n``; an operator is drawn only where it is
legal whatever ``n`` is. The operators are chosen such that float32 rounding stays rounding: no comparison decides
between far results, no division by something small, nothing grows without bound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

SYMBOL = "n"

Dim = int | str
Shape = tuple[Dim, ...]

SIZES = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 31, 33])
SMOOTH = (
    "Relu",
    "Sigmoid",
    "Tanh",
    "Neg",
    "Abs",
    "Erf",
    "Softplus",
    "HardSwish",
    "Elu",
    "LeakyRelu",
    "Softsign",
    "Gelu",
)
MAX_ELEMENTS = 20_000


@dataclass(frozen=True)
class Value:
    """A value of the graph: its name and its shape."""

    name: str
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    def static(self, axis: int) -> bool:
        return isinstance(self.shape[axis], int)


@dataclass
class Sketch:
    """A graph that grows."""

    draw: Callable[..., object]
    seed: int
    values: list[Value] = field(default_factory=list)
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)

    def pick(self, wanted: Callable[[Value], bool]) -> Value | None:
        found = [value for value in self.values if wanted(value)]
        return self.draw(st.sampled_from(found)) if found else None

    def choose(self, items: Sequence[object]) -> object:
        return self.draw(st.sampled_from(list(items)))

    def size(self) -> int:
        return self.draw(SIZES)

    def weight(self, shape: Sequence[int], scale: float = 1.0) -> str:
        rng = np.random.default_rng([self.seed, len(self.weights)])
        return self.constant((rng.standard_normal(shape) * scale).astype(np.float32))

    def constant(self, array: npt.ArrayLike) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def integers(self, *items: int) -> str:
        return self.constant(np.array(items, np.int64))

    def add(self, op: str, inputs: Sequence[str], *shapes: Shape, **attributes: object) -> None:
        outputs = [f"v{len(self.values) + index}" for index in range(len(shapes))]
        self.nodes.append(helper.make_node(op, inputs, outputs, name=f"{op}_{len(self.nodes)}", **attributes))
        self.values += [Value(name, tuple(shape)) for name, shape in zip(outputs, shapes, strict=True)]


def extent(dim: Dim, n: int = 11) -> int:
    return n if isinstance(dim, str) else dim


def elements(shape: Shape) -> int:
    return int(np.prod([extent(dim) for dim in shape], dtype=np.int64))


# ---------------------------------------------------------------------------------------------- operators


def unary(g: Sketch) -> None:
    x = g.choose(g.values)
    g.add(g.choose(SMOOTH), [x.name], x.shape)


def clip(g: Sketch) -> None:
    x = g.choose(g.values)
    g.add("Clip", [x.name, g.constant(np.float32(-1.5)), g.constant(np.float32(2.0))], x.shape)


def select(g: Sketch) -> None:
    """Where(x > 0, x, x / 4): both sides meet where the comparison flips."""
    x = g.choose(g.values)
    flag, small = f"flag{len(g.nodes)}", f"small{len(g.nodes)}"
    zero, quarter = g.constant(np.float32(0)), g.constant(np.float32(0.25))
    g.nodes.append(helper.make_node("Greater", [x.name, zero], [flag]))
    g.nodes.append(helper.make_node("Mul", [x.name, quarter], [small]))
    g.add("Where", [flag, x.name, small], x.shape)


def binary(g: Sketch) -> None:
    x = g.choose(g.values)
    op = g.choose(["Add", "Sub", "Mul", "Max", "Min"])
    other = g.pick(lambda value: joined(value.shape, x.shape) is not None) if g.draw(st.booleans()) else None
    if other is None or op == "Mul":
        kept = g.draw(st.integers(0, x.rank))
        shape = [dim if isinstance(dim, int) and g.draw(st.booleans()) else 1 for dim in x.shape[x.rank - kept :]]
        pair = [x.name, g.weight(shape)]
        g.add(op, pair if g.draw(st.booleans()) else pair[::-1], x.shape)
        return
    g.add(op, [other.name, x.name], joined(other.shape, x.shape))


def joined(left: Shape, right: Shape) -> Shape | None:
    rank = max(len(left), len(right))
    pairs = zip((1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right, strict=True)
    result: list[Dim] = []
    for first, second in pairs:
        if first != second and 1 not in (first, second):
            return None
        result.append(second if first == 1 else first)
    return tuple(result) if elements(tuple(result)) <= MAX_ELEMENTS else None


def divide(g: Sketch) -> None:
    x = g.choose(g.values)
    divisor = f"divisor{len(g.nodes)}"
    g.nodes.append(helper.make_node("Abs", [g.weight([])], [f"{divisor}_abs"]))
    g.nodes.append(helper.make_node("Add", [f"{divisor}_abs", g.constant(np.float32(0.5))], [divisor]))
    g.add("Div", [x.name, divisor], x.shape)


def matmul(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank >= 2 and value.static(-1))
    if x is None:
        return
    depth, columns = x.shape[-1], g.size()
    batch = [dim for dim in x.shape[:-2] if isinstance(dim, int)] if g.draw(st.booleans()) else []
    if len(batch) != x.rank - 2:
        batch = []
    g.add("MatMul", [x.name, g.weight([*batch, depth, columns], depth**-0.5)], (*x.shape[:-1], columns))


def gemm(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank == 2 and value.static(1))
    if x is None:
        return
    columns, trans = g.size(), int(g.draw(st.booleans()))
    depth = x.shape[1]
    weight = g.weight([columns, depth] if trans else [depth, columns], depth**-0.5)
    bias = [g.weight([columns])] if g.draw(st.booleans()) else []
    g.add("Gemm", [x.name, weight, *bias], (x.shape[0], columns), transB=trans, alpha=0.5, beta=1.5)


def square(g: Sketch) -> None:
    """x @ transpose(x): a product of two values that are computed, as in attention."""
    x = g.pick(lambda value: value.rank >= 2)
    if x is None or elements((*x.shape[:-1], x.shape[-2])) > MAX_ELEMENTS:
        return
    order = [*range(x.rank - 2), x.rank - 1, x.rank - 2]
    turned, scaled = f"turned{len(g.nodes)}", f"scaled{len(g.nodes)}"
    g.nodes.append(helper.make_node("Tanh", [x.name], [scaled]))
    g.nodes.append(helper.make_node("Transpose", [scaled], [turned], perm=order))
    g.add("MatMul", [scaled, turned], (*x.shape[:-1], x.shape[-2]))


def picture(value: Value) -> bool:
    return value.rank == 4 and value.static(1) and value.static(2) and value.static(3)


def conv(g: Sketch) -> None:
    x = g.pick(picture)
    if x is None:
        return
    channels, *sizes = x.shape[1:]
    groups = g.choose([1, channels] if channels > 1 else [1])
    out = channels * g.choose([1, 2]) if groups > 1 else g.size()
    windows = [window(g, size, size - 1, dilate=True) for size in sizes]
    kernel = [each["kernel_shape"] for each in windows]
    inputs = [x.name, g.weight([out, channels // groups, *kernel], (channels // groups * np.prod(kernel)) ** -0.5)]
    if g.draw(st.booleans()):
        inputs.append(g.weight([out]))
    shape = (x.shape[0], out, *(each.pop("count") for each in windows))
    g.add("Conv", inputs, shape, group=groups, **columns(windows))


def pool(g: Sketch) -> None:
    x = g.pick(picture)
    if x is None:
        return
    windows = [window(g, size, size // 2) for size in x.shape[2:]]
    shape = (*x.shape[:2], *(each.pop("count") for each in windows))
    for each in windows:
        del each["dilations"]
    g.add(g.choose(["MaxPool", "AveragePool"]), [x.name], shape, **columns(windows))


def window(g: Sketch, size: int, most: int, *, dilate: bool = False) -> dict[str, int]:
    """Draw one dimension of a sliding window over ``size`` points, padded by at most ``most`` on both sides."""
    kernel = g.draw(st.integers(1, min(3, size)))
    pad = g.draw(st.integers(0, min(most, kernel - 1)))
    stride = g.draw(st.integers(1, 2))
    fits = size + 2 * pad > 2 * (kernel - 1)
    dilation = 2 if dilate and fits and g.draw(st.booleans()) else 1
    count = (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
    return {"kernel_shape": kernel, "strides": stride, "pads": pad, "dilations": dilation, "count": count}


def columns(windows: Sequence[dict[str, int]]) -> dict[str, list[int]]:
    """Attributes of a windowed operator from those of each dimension; pads are the same before and after."""
    result = {key: [each[key] for each in windows] for key in windows[0]}
    return {**result, "pads": result["pads"] * 2}


def global_pool(g: Sketch) -> None:
    x = g.pick(picture)
    if x is not None:
        g.add(g.choose(["GlobalAveragePool", "GlobalMaxPool"]), [x.name], (*x.shape[:2], 1, 1))


def batch_norm(g: Sketch) -> None:
    x = g.pick(picture)
    if x is None:
        return
    count = [x.shape[1]]
    variance = g.constant(np.random.default_rng(g.seed).uniform(0.5, 2, count).astype(np.float32))
    inputs = [x.name, g.weight(count), g.weight(count), g.weight(count), variance]
    g.add("BatchNormalization", inputs, x.shape)


def reduction(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank >= 1)
    if x is None:
        return
    axes = sorted(g.draw(st.sets(st.integers(0, x.rank - 1), min_size=1, max_size=x.rank)))
    keep = g.draw(st.booleans())
    shape = [1 if axis in axes else dim for axis, dim in enumerate(x.shape) if keep or axis not in axes]
    signed = [axis - x.rank if g.draw(st.booleans()) else axis for axis in axes]
    op = g.choose(["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSum", "ReduceLogSumExp"])
    g.add(op, [x.name, g.integers(*signed)], shape, keepdims=int(keep))


def softmax(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank >= 1)
    if x is not None:
        g.add(g.choose(["Softmax", "LogSoftmax"]), [x.name], x.shape, axis=g.draw(st.integers(-x.rank, x.rank - 1)))


def layer_norm(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank >= 1 and value.static(-1))
    if x is not None:
        weights = [g.weight([x.shape[-1]]), g.weight([x.shape[-1]])]
        g.add("LayerNormalization", [x.name, *weights], x.shape, axis=-1, epsilon=0.1)


def concat(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank >= 1)
    if x is None:
        return
    axes = [axis for axis in range(x.rank) if x.static(axis)]
    if not axes:
        return
    axis = g.choose(axes)
    rest = (*x.shape[:axis], *x.shape[axis + 1 :])

    def fits(value: Value) -> bool:
        same = value.rank == x.rank and value.static(axis)
        return same and (*value.shape[:axis], *value.shape[axis + 1 :]) == rest

    parts = [x, *(g.pick(fits) for _ in range(g.draw(st.integers(1, 2))))]
    total = sum(part.shape[axis] for part in parts)
    shape = (*x.shape[:axis], total, *x.shape[axis + 1 :])
    if elements(shape) <= MAX_ELEMENTS:
        g.add("Concat", [part.name for part in parts], shape, axis=axis)


def split(g: Sketch) -> None:
    x = g.pick(lambda value: any(isinstance(dim, int) and dim >= 2 for dim in value.shape))
    if x is None:
        return
    axis = g.choose([axis for axis, dim in enumerate(x.shape) if isinstance(dim, int) and dim >= 2])
    first = g.draw(st.integers(1, x.shape[axis] - 1))
    parts = (first, x.shape[axis] - first)
    shapes = [(*x.shape[:axis], part, *x.shape[axis + 1 :]) for part in parts]
    g.add("Split", [x.name, g.integers(*parts)], *shapes, axis=axis)


def transpose(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank >= 2)
    if x is not None:
        order = g.draw(st.permutations(range(x.rank)))
        g.add("Transpose", [x.name], tuple(x.shape[axis] for axis in order), perm=order)


def reshape(g: Sketch) -> None:
    """Join two neighbouring static dimensions, or take one apart; a leading dimension is copied by 0."""
    x = g.pick(lambda value: value.rank >= 1)
    if x is None:
        return
    places = [axis for axis in range(x.rank - 1) if x.static(axis) and x.static(axis + 1)]
    if places and g.draw(st.booleans()):
        axis = g.choose(places)
        shape = (*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])
    else:
        known = [(axis, dim) for axis, dim in enumerate(x.shape) if isinstance(dim, int)]
        apart = [(axis, part) for axis, dim in known for part in (1, 2, 3, 4) if dim % part == 0]
        if not apart or x.rank >= 5:
            return
        axis, part = g.choose(apart)
        shape = (*x.shape[:axis], part, x.shape[axis] // part, *x.shape[axis + 1 :])
    if sum(isinstance(dim, str) for dim in shape) > 1:
        return
    g.add("Reshape", [x.name, g.integers(*(-1 if isinstance(dim, str) else dim for dim in shape))], shape)


def flatten(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank >= 2 and all(value.static(axis) for axis in range(1, value.rank)))
    if x is not None:
        g.add("Flatten", [x.name], (x.shape[0], elements(x.shape[1:])), axis=1)


def slices(g: Sketch) -> None:
    x = g.pick(lambda value: any(isinstance(dim, int) and dim >= 2 for dim in value.shape))
    if x is None:
        return
    axis = g.choose([axis for axis, dim in enumerate(x.shape) if isinstance(dim, int) and dim >= 2])
    size = x.shape[axis]
    step = g.choose([1, 1, 2, 3, -1, -2])
    begin = g.draw(st.integers(0, size - 1))
    end = g.draw(st.integers(begin + 1, size)) if step > 0 else g.draw(st.integers(-size - 1, begin - size - 1))
    count = len(range(size)[begin : end if end >= -size else None : step])
    inputs = [x.name, g.integers(begin), g.integers(end), g.integers(axis), g.integers(step)]
    g.add("Slice", inputs, (*x.shape[:axis], count, *x.shape[axis + 1 :]))


def pad(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank >= 1)
    if x is None:
        return
    mode = g.choose(["constant", "edge", "reflect"])
    limit = [min(2, dim - 1 if mode == "reflect" else 2) if isinstance(dim, int) else 0 for dim in x.shape]
    before, after = ([g.draw(st.integers(0, most)) for most in limit] for _ in range(2))
    sizes = zip(x.shape, before, after, strict=True)
    shape = tuple(dim if isinstance(dim, str) else dim + low + high for dim, low, high in sizes)
    if elements(shape) <= MAX_ELEMENTS:
        g.add("Pad", [x.name, g.integers(*before, *after)], shape, mode=mode)


def gather(g: Sketch) -> None:
    x = g.pick(lambda value: any(isinstance(dim, int) for dim in value.shape))
    if x is None:
        return
    axis = g.choose([axis for axis, dim in enumerate(x.shape) if isinstance(dim, int)])
    count = g.draw(st.integers(1, 4))
    places = [g.draw(st.integers(-x.shape[axis], x.shape[axis] - 1)) for _ in range(count)]
    g.add("Gather", [x.name, g.integers(*places)], (*x.shape[:axis], count, *x.shape[axis + 1 :]), axis=axis)


def unsqueeze(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank <= 4)
    if x is not None:
        axis = g.draw(st.integers(0, x.rank))
        g.add("Unsqueeze", [x.name, g.integers(axis)], (*x.shape[:axis], 1, *x.shape[axis:]))


def squeeze(g: Sketch) -> None:
    x = g.pick(lambda value: 1 in value.shape)
    if x is not None:
        axis = g.choose([axis for axis, dim in enumerate(x.shape) if dim == 1])
        g.add("Squeeze", [x.name, g.integers(axis)], (*x.shape[:axis], *x.shape[axis + 1 :]))


def expand(g: Sketch) -> None:
    x = g.pick(lambda value: 1 in value.shape)
    if x is None:
        return
    axis = g.choose([axis for axis, dim in enumerate(x.shape) if dim == 1])
    shape = (*x.shape[:axis], g.size(), *x.shape[axis + 1 :])
    if elements(shape) <= MAX_ELEMENTS:
        g.add("Expand", [x.name, g.integers(*(dim if isinstance(dim, int) else 1 for dim in shape))], shape)


def tile(g: Sketch) -> None:
    x = g.pick(lambda value: value.rank >= 1)
    if x is None:
        return
    repeats = [g.draw(st.integers(1, 2)) if isinstance(dim, int) else 1 for dim in x.shape]
    shape = tuple(dim if isinstance(dim, str) else dim * count for dim, count in zip(x.shape, repeats, strict=True))
    if elements(shape) <= MAX_ELEMENTS:
        g.add("Tile", [x.name, g.integers(*repeats)], shape)


def doubled(g: Sketch) -> None:
    """Through float64 and back."""
    x = g.choose(g.values)
    wide = f"wide{len(g.nodes)}"
    g.nodes.append(helper.make_node("Cast", [x.name], [wide], to=TensorProto.DOUBLE))
    g.add("Cast", [wide], x.shape, to=TensorProto.FLOAT)


OPERATORS = (
    unary, unary, clip, select, binary, binary, binary, divide, matmul, matmul, gemm, square, conv, conv, conv, pool,
    global_pool, batch_norm, reduction, reduction, softmax, layer_norm, concat, split, transpose, transpose, reshape,
    reshape, flatten, slices, pad, gather, unsqueeze, squeeze, expand, tile, doubled,
)  # fmt: skip


@dataclass(frozen=True)
class RandomGraph:
    """A model and, for any ``n``, seeded inputs of it."""

    model: onnx.ModelProto
    inputs: tuple[Value, ...]
    seed: int

    def feed(self, n: int) -> dict[str, npt.NDArray[np.float32]]:
        rng = np.random.default_rng([self.seed, n])
        return {
            value.name: rng.standard_normal([extent(dim, n) for dim in value.shape]).astype(np.float32)
            for value in self.inputs
        }

    def __repr__(self) -> str:
        """Show the graph: hypothesis prints it with a failure."""
        return f"seed {self.seed}\n{onnx.printer.to_text(self.model)}"


@st.composite
def graphs(draw: Callable[..., object], *, symbolic: bool, most: int = 8) -> RandomGraph:
    """Draw a graph of up to ``most`` operators; with ``symbolic``, inputs may have the dimension ``n``."""
    g = Sketch(draw, draw(st.integers(0, 1 << 16)))
    dims = st.one_of(SIZES, st.just(SYMBOL)) if symbolic else SIZES
    for _ in range(draw(st.integers(1, 2))):
        rank = draw(st.sampled_from([1, 2, 2, 3, 4, 4]))
        shape = [draw(dims if axis == 0 else SIZES) for axis in range(rank)]
        while elements(tuple(shape)) > MAX_ELEMENTS:
            shape[int(np.argmax([extent(dim) for dim in shape]))] = 3
        g.values.append(Value(f"v{len(g.values)}", tuple(shape)))
    inputs = tuple(g.values)
    for _ in range(draw(st.integers(1, most))):
        draw(st.sampled_from(OPERATORS))(g)
    if len(g.values) == len(inputs):
        unary(g)
    return finish(g, inputs)


def finish(g: Sketch, inputs: Sequence[Value]) -> RandomGraph:
    """Outputs are all values that nothing reads, and one that is read as well."""
    read = {name for node in g.nodes for name in node.input}
    made = g.values[len(inputs) :]
    outputs = [value for value in made if value.name not in read]
    extra = g.choose(made)
    if extra not in outputs:
        outputs.append(extra)
    used = [value for value in inputs if value.name in read]
    infos = [
        [helper.make_tensor_value_info(value.name, TensorProto.FLOAT, value.shape) for value in group]
        for group in (used, outputs)
    ]
    graph = helper.make_graph(g.nodes, "random", infos[0], infos[1], g.weights)
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
    onnx.checker.check_model(model, full_check=True)
    return RandomGraph(model, tuple(used), g.seed)
