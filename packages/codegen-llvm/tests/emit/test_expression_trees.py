"""Random expression trees against numpy, scalar and vector, over many types."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.ir import (
    Binary,
    Broadcast,
    Buffer,
    Cast,
    Compare,
    Const,
    Expr,
    For,
    Load,
    Ramp,
    Select,
    Store,
    TensorFunction,
    Unary,
    Var,
    const,
    dtype,
    seq,
)
from tondo_llvm.testing import run

pytestmark = pytest.mark.llvm

LANES = 7
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")
INTEGER_OPS = (
    "add",
    "sub",
    "mul",
    "min",
    "max",
    "floordiv",
    "floormod",
    "truncdiv",
    "truncmod",
    "and",
    "or",
    "xor",
    "shl",
    "shr",
)
FLOAT_OPS = ("add", "sub", "mul", "min", "max")
COMPARES = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def truncdiv(a, b):
    quotient = np.floor_divide(a, b)
    return quotient + ((b != 0) & (quotient * b != a) & ((a < 0) != (b < 0))).astype(a.dtype)


NUMPY = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "floordiv": np.floor_divide,
    "floormod": np.mod,
    "truncdiv": truncdiv,
    "truncmod": np.fmod,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shl": np.left_shift,
    "shr": np.right_shift,
    "min": lambda a, b: np.where(a < b, a, b),
    "max": lambda a, b: np.where(a > b, a, b),
}


def evaluate(expr: Expr, values: dict[str, np.ndarray]) -> np.ndarray:
    """Numpy's answer, all elements at once; knows nothing of the code generator."""
    match expr:
        case Load():
            return values[expr.buffer.name]
        case Const():
            return np.full(next(iter(values.values())).shape, expr.value, expr.dtype.numpy)
        case Binary():
            a, b = evaluate(expr.a, values), evaluate(expr.b, values)
            if expr.dtype.is_bool:
                return {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}[expr.op](a, b)
            return NUMPY[expr.op](a, b).astype(expr.dtype.numpy)
        case Unary():
            a = evaluate(expr.a, values)
            return ~a if expr.op == "not" else np.negative(a)
        case Compare():
            return COMPARES[expr.op](evaluate(expr.a, values), evaluate(expr.b, values))
        case Select():
            return np.where(evaluate(expr.condition, values), evaluate(expr.a, values), evaluate(expr.b, values))
        case Cast():
            return evaluate(expr.a, values).astype(expr.dtype.numpy)
        case _:
            raise AssertionError(expr)


def widened(expr: Expr, index: Expr, lanes: int) -> Expr:
    """The tree over ``lanes`` elements at once."""
    match expr:
        case Load():
            return Load(expr.buffer, (index,))
        case Const():
            return Broadcast(expr, lanes)
        case Binary() | Compare():
            return type(expr)(expr.op, widened(expr.a, index, lanes), widened(expr.b, index, lanes))
        case Unary():
            return Unary(expr.op, widened(expr.a, index, lanes))
        case Select():
            return Select(*(widened(item, index, lanes) for item in (expr.condition, expr.a, expr.b)))
        case Cast():
            return Cast(expr.dtype.with_lanes(lanes), widened(expr.a, index, lanes))
        case _:
            raise AssertionError(expr)


I = Var("i")
INPUTS = {name: Buffer(f"x_{name}", (Const(3 * LANES),), dtype(name)) for name in (*INTEGERS, *FLOATS)}


@st.composite
def trees(draw, kind: str, depth: int) -> Expr:
    t = dtype(kind)
    if depth == 0:
        if draw(st.booleans()):
            return INPUTS[kind][I]
        low = 0 if t.kind == "uint" else -4
        return const(draw(st.integers(low, 4)), t)
    shape = draw(st.sampled_from(("binary", "binary", "binary", "select", "unary", "cast")))
    if shape == "select":
        other = draw(st.sampled_from((*INTEGERS, *FLOATS)))
        condition = Compare(
            draw(st.sampled_from(sorted(COMPARES))), draw(trees(other, 0)), draw(trees(other, depth - 1))
        )
        if draw(st.booleans()):
            condition = Binary(draw(st.sampled_from(("and", "or", "xor"))), condition, Unary("not", condition))
        return Select(condition, draw(trees(kind, depth - 1)), draw(trees(kind, depth - 1)))
    if shape == "unary":
        return Unary("neg" if t.is_float or draw(st.booleans()) else "not", draw(trees(kind, depth - 1)))
    if shape == "cast":
        # Every pair of integers, integers to floats, floats among themselves; floats to integers need a range.
        source = draw(
            st.sampled_from(FLOATS if t.is_float and draw(st.booleans()) else INTEGERS[:3] if t.is_float else INTEGERS)
        )
        return Cast(t, draw(trees(source, depth - 1 if not t.is_float else 0)))
    op = draw(st.sampled_from(FLOAT_OPS if t.is_float else INTEGER_OPS))
    a, b = draw(trees(kind, depth - 1)), draw(trees(kind, depth - 1))
    if op in ("shl", "shr"):
        b = const(draw(st.integers(0, t.bits - 1)), t)
    return Binary(op, a, b)


def inputs(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    result: dict[str, np.ndarray] = {}
    for name in INPUTS:
        t = dtype(name)
        if t.is_float:
            # Small whole numbers: float arithmetic is exact, so fusing changes nothing.
            result[f"x_{name}"] = rng.integers(-4, 5, 3 * LANES).astype(name)
        else:
            info = np.iinfo(name)
            values = rng.integers(info.min, info.max, 3 * LANES, dtype=name, endpoint=True)
            values[: 2 * LANES] = rng.integers(0 if t.kind == "uint" else -5, 6, 2 * LANES).astype(name)
            values[-1], values[-2] = info.min, info.max
            result[f"x_{name}"] = values
    return result


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.data())
def test_trees_compute_what_numpy_computes(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from((*INTEGERS, *FLOATS)))
    tree = data.draw(trees(kind, data.draw(st.integers(1, 3))))
    values = inputs(data.draw(st.integers(0, 3)))
    out = Buffer("out", (Const(3 * LANES),), dtype(kind))
    wide = Buffer("wide", (Const(3 * LANES),), dtype(kind))
    scalar = For(I, Const(0), Const(3 * LANES), Store(out, (I,), tree))
    index = Ramp(I * LANES, Const(1), LANES)
    vector = For(I, Const(0), Const(3), Store(wide, (index,), widened(tree, index, LANES)))
    function = TensorFunction("f", (*INPUTS.values(), out, wide), seq(scalar, vector), 2)
    with np.errstate(all="ignore"):
        expected = evaluate(tree, values)
    got, got_wide = run(function, [values[buffer.name] for buffer in INPUTS.values()])
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(got_wide, expected)
