"""Evaluation at import of operators on small tensors whose elements are known, numbers or sizes.

This is how shapes that a model computes (``Shape``, ``Gather``, ``Mul``, ``Concat`` ...) become attributes. Works on
the operators that the importer emits, so that it is independent of operator-set versions. Numbers are computed with
numpy in their own dtype; as soon as a size takes part, elements are :data:`~tondo_onnx.build.values.Element`. An
operation without a symbolic form is left to run time (None).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tondo.ir import Attrs, AttrValue, Const, DType, Expr
from tondo_onnx.build.dims import Dimensions
from tondo_onnx.build.scalars import Scalars, Unknown
from tondo_onnx.build.values import Value


@dataclass(frozen=True, slots=True)
class Request:
    """One operation to evaluate: its arguments (all with known elements), attributes and result type."""

    args: Sequence[Value]
    attrs: Attrs
    shape: tuple[int, ...]
    dtype: DType
    dims: Dimensions

    @property
    def arrays(self) -> list[np.ndarray]:
        """The elements of the arguments."""
        return [arg.elements for arg in self.args if arg.elements is not None]

    @property
    def symbolic(self) -> bool:
        """Whether an argument holds sizes."""
        return any(array.dtype == object for array in self.arrays)

    def attr(self, name: str, default: AttrValue = None) -> AttrValue:
        """Return an attribute."""
        return self.attrs.get(name, default)

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        value = self.attrs.get(name, default)
        if not isinstance(value, int):
            raise Unknown
        return value

    def ints(self, name: str) -> tuple[int, ...] | None:
        """Return an attribute that is a tuple of known integers; None if it is absent."""
        value = self.attrs.get(name)
        if value is None:
            return None
        if not isinstance(value, tuple):
            raise Unknown
        return tuple(_integer(item) for item in value)


def _integer(item: AttrValue) -> int:
    if isinstance(item, Const):
        return int(item.value)
    if not isinstance(item, int):
        raise Unknown
    return item


Evaluator = Callable[[Request], np.ndarray]


def evaluate(op: str, request: Request) -> np.ndarray | None:
    """Return the elements of the only result of ``op``; None if they are not known at import."""
    evaluator = EVALUATORS.get(op)
    if evaluator is None:
        return None
    try:
        with np.errstate(all="ignore"):
            result = np.asarray(evaluator(request))
    except Unknown:
        return None
    return result.reshape(request.shape) if result.shape != request.shape else result


# ------------------------------------------------------------------------------------------ element-wise


def _elementwise(numeric: Callable[..., np.ndarray] | None, scalar: Callable[..., object]) -> Evaluator:
    """Return the evaluator that uses ``numeric`` on numbers and ``scalar(scalars, *elements)`` else."""

    def run(request: Request) -> np.ndarray:
        arrays = request.arrays
        if not request.symbolic:
            if numeric is None:
                raise Unknown
            return np.asarray(numeric(*arrays)).astype(request.dtype.numpy)
        scalars = Scalars(request.dims, request.args[-1].dtype)
        items = np.broadcast_arrays(*[_objects(array) for array in arrays])
        result = np.empty(items[0].shape, object)
        for index in np.ndindex(items[0].shape):
            result[index] = scalar(scalars, *[item[index] for item in items])
        return result

    return run


def _objects(array: np.ndarray) -> np.ndarray:
    """Return an array of Python numbers and expressions."""
    if array.dtype == object:
        return array
    result = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        result[index] = array[index].item()
    return result


def _truncated_division(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind not in "iu":
        return np.divide(a, b)
    if np.any(b == 0):
        raise Unknown
    quotient = np.abs(a) // np.abs(b)
    return np.where((a < 0) != (b < 0), -quotient, quotient)


def _cast(request: Request) -> np.ndarray:
    (array,) = request.arrays
    if array.dtype == object:
        scalars = Scalars(request.dims, request.args[0].dtype)
        result = np.empty(array.shape, object)
        for index in np.ndindex(array.shape):
            result[index] = scalars.cast(array[index], request.dtype)
        return result
    if array.dtype.kind == "f" and request.dtype.is_integer and not np.all(np.isfinite(array)):
        raise Unknown
    return array.astype(request.dtype.numpy)


def _mod(request: Request) -> np.ndarray:
    fmod = bool(request.attr("fmod", False))
    if not request.symbolic:
        if request.args[1].dtype.is_integer and np.any(request.arrays[1] == 0):
            raise Unknown
        return (np.fmod if fmod else np.mod)(*request.arrays).astype(request.dtype.numpy)
    if fmod:
        raise Unknown
    return _elementwise(None, Scalars.mod)(request)


def _fold(scalar: Callable[[Scalars, object, object], object], numeric: Callable[..., np.ndarray]) -> Evaluator:
    """Return the evaluator of an operator that takes one or more arguments."""

    def run(request: Request) -> np.ndarray:
        pairs = _elementwise(numeric, scalar)
        result = request.args[0]
        for arg in request.args[1:]:
            step = Request((result, arg), request.attrs, request.shape, request.dtype, request.dims)
            result = Value(arg.type, None, pairs(step), "")
        if result.elements is None:
            raise Unknown
        return result.elements

    return run


# ------------------------------------------------------------------------------------------ movement


def _reshape(request: Request) -> np.ndarray:
    return request.arrays[0].reshape(request.shape)


def _transpose(request: Request) -> np.ndarray:
    return request.arrays[0].transpose(request.ints("perm"))


def _concat(request: Request) -> np.ndarray:
    arrays = [_objects(array) for array in request.arrays] if request.symbolic else request.arrays
    return np.concatenate(arrays, axis=request.integer("axis", 0))


def _gather(request: Request) -> np.ndarray:
    data, indices = request.arrays
    if indices.dtype == object:
        raise Unknown
    axis = request.integer("axis", 0)
    places = indices.astype(np.int64)
    if np.any((places < -data.shape[axis]) | (places >= data.shape[axis])):
        raise Unknown
    return np.take(data, places, axis=axis)


def _slice(request: Request) -> np.ndarray:
    data = request.arrays[0]
    axes, steps = request.ints("axes") or (), request.ints("steps")
    starts, ends = request.attr("starts"), request.attr("ends")
    if not isinstance(starts, tuple) or not isinstance(ends, tuple):
        raise Unknown
    index = [slice(None)] * data.ndim
    for i, axis in enumerate(axes):
        begin, end = (None if item is None else _integer(item) for item in (starts[i], ends[i]))
        index[axis] = slice(begin, end, steps[i] if steps else 1)
    return data[tuple(index)]


def _expand(request: Request) -> np.ndarray:
    return np.broadcast_to(request.arrays[0], request.shape)


def _tile(request: Request) -> np.ndarray:
    return np.tile(request.arrays[0], request.ints("repeats") or ())


def _reduce(numeric: Callable[..., np.ndarray], scalar: Callable[[Scalars, object, object], object]) -> Evaluator:
    def run(request: Request) -> np.ndarray:
        data, axes = request.arrays[0], request.ints("axes")
        keep = bool(request.attr("keepdims", True))
        if not request.symbolic:
            return np.asarray(numeric(data, axis=axes, keepdims=keep)).astype(request.dtype.numpy)
        if axes is not None and {axis % max(data.ndim, 1) for axis in axes} != set(range(data.ndim)):
            raise Unknown
        scalars, items = Scalars(request.dims, request.dtype), list(data.reshape(-1))
        if not items:
            raise Unknown
        total = items[0]
        for item in items[1:]:
            total = scalar(scalars, total, item)
        result = np.empty(request.shape, object)
        result[...] = total
        return result

    return run


def _cumsum(request: Request) -> np.ndarray:
    if request.symbolic or request.attr("exclusive", False) or request.attr("reverse", False):
        raise Unknown
    return np.cumsum(request.arrays[0], axis=request.integer("axis", 0), dtype=request.dtype.numpy)


# ------------------------------------------------------------------------------------------ creation


def _element(value: AttrValue) -> object:
    if isinstance(value, Const):
        return value.value
    if isinstance(value, (bool, int, float, Expr)):
        return value
    raise Unknown


def _fill(request: Request) -> np.ndarray:
    value = _element(request.attr("value", 0))
    result = np.empty(request.shape, object if isinstance(value, Expr) else request.dtype.numpy)
    result[...] = value
    return result


def _range(request: Request) -> np.ndarray:
    start, step = _element(request.attr("start", 0)), _element(request.attr("step", 1))
    if (
        isinstance(start, Expr)
        or isinstance(step, Expr)
        or not isinstance(start, (int, float))
        or not isinstance(step, (int, float))
    ):
        raise Unknown
    count = request.shape[0]
    if request.dtype.is_float:
        raise Unknown
    return (np.arange(count) * int(step) + int(start)).astype(request.dtype.numpy)


EVALUATORS: Final[dict[str, Evaluator]] = {
    "identity": _reshape,
    "reshape": _reshape, "squeeze": _reshape, "unsqueeze": _reshape, "flatten": _reshape,
    "transpose": _transpose, "concat": _concat, "gather": _gather, "slice": _slice, "expand": _expand, "tile": _tile,
    "fill": _fill, "range": _range, "cast": _cast, "mod": _mod, "cumsum": _cumsum,
    "add": _elementwise(np.add, Scalars.add), "sub": _elementwise(np.subtract, Scalars.sub),
    "mul": _elementwise(np.multiply, Scalars.mul), "div": _elementwise(_truncated_division, Scalars.div),
    "neg": _elementwise(np.negative, Scalars.neg), "abs": _elementwise(np.abs, Scalars.abs),
    "sign": _elementwise(np.sign, Scalars.sign),
    "floor": _elementwise(np.floor, Scalars.floor), "ceil": _elementwise(np.ceil, Scalars.ceil),
    "trunc": _elementwise(np.trunc, Scalars.trunc),
    "min": _fold(Scalars.min, np.minimum), "max": _fold(Scalars.max, np.maximum), "sum": _fold(Scalars.add, np.add),
    "where": _elementwise(np.where, Scalars.choose),
    "equal": _elementwise(np.equal, lambda s, a, b: s.compare("eq", a, b)),
    "not_equal": _elementwise(np.not_equal, lambda s, a, b: s.compare("ne", a, b)),
    "less": _elementwise(np.less, lambda s, a, b: s.compare("lt", a, b)),
    "less_equal": _elementwise(np.less_equal, lambda s, a, b: s.compare("le", a, b)),
    "greater": _elementwise(np.greater, lambda s, a, b: s.compare("gt", a, b)),
    "greater_equal": _elementwise(np.greater_equal, lambda s, a, b: s.compare("ge", a, b)),
    "logical_and": _elementwise(np.logical_and, Scalars.both),
    "logical_or": _elementwise(np.logical_or, Scalars.either),
    "logical_not": _elementwise(np.logical_not, Scalars.invert),
    "logical_xor": _elementwise(np.logical_xor, lambda s, a, b: s.compare("ne", a, b)),
    "reduce_prod": _reduce(np.prod, Scalars.mul), "reduce_sum": _reduce(np.sum, Scalars.add),
    "reduce_max": _reduce(np.max, Scalars.max), "reduce_min": _reduce(np.min, Scalars.min),
    "reduce_any": _reduce(np.any, Scalars.either), "reduce_all": _reduce(np.all, Scalars.both),
}  # fmt: skip
