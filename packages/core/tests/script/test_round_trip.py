"""What is printed parses back to the same value: random expressions, statements, functions, modules."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_ir import (
    BUFFERS,
    ELEMENTS,
    SCALARS,
    Fresh,
    M,
    N,
    attributes,
    expressions,
    function_of,
    graph_regions,
    statements,
)

from tondo.ir import (
    FLOAT32,
    INT64,
    Attrs,
    Buffer,
    Const,
    ConstantData,
    DType,
    GraphFunction,
    GraphVar,
    IRModule,
    Ramp,
    Seq,
    Store,
    TensorFunction,
    TensorType,
    Var,
)
from tondo.script import parse, script

QUICK = settings(derandomize=True, deadline=None, max_examples=150)


def check(module: IRModule) -> None:
    text = script(module)
    parsed = parse(text, constants=module.constants)
    assert parsed == module, text
    assert script(parsed) == text


@QUICK
@given(st.sampled_from(ELEMENTS), st.sampled_from([1, 4]), st.data())
def test_expressions(kind: DType, lanes: int, data: st.DataObject) -> None:
    value = data.draw(expressions(kind.with_lanes(lanes)))
    index = SCALARS[INT64] if lanes == 1 else Ramp(SCALARS[INT64], Const(1), lanes)
    check(IRModule.of(function_of(Store(BUFFERS[kind], (Const(0), index), value))))


@QUICK
@given(attributes(), attributes())
def test_attributes(first: Attrs, second: Attrs) -> None:
    function = TensorFunction(
        "f", (Buffer("y", (Const(1),)),), Store(Buffer("y", (Const(1),)), (Const(0),), Const(0.0, FLOAT32)), 1, second
    )
    check(IRModule.of(function, attrs=first))


def test_equality_of_attributes_follows_types_and_bits() -> None:
    assert Attrs(a=(1,)) != Attrs(a=(True,)) != Attrs(a=(1.0,))
    assert Attrs(a=0.0) != Attrs(a=-0.0)
    assert Attrs(a=float("nan")) == Attrs(a=-math.nan)
    assert hash(Attrs(a=math.nan, b=1)) == hash(Attrs(b=1, a=float("nan")))
    assert Attrs(a=np.int64(3), b=np.float32(0.5)) == Attrs(a=3, b=0.5)
    assert type(Attrs(a=np.float64(1.5))["a"]) is float


def test_there_is_one_nan() -> None:
    assert Const(-math.nan, FLOAT32) == Const(math.nan, FLOAT32)
    assert Const(-0.0, FLOAT32) != Const(0.0, FLOAT32)


@QUICK
@given(st.data())
def test_statements(data: st.DataObject) -> None:
    check(IRModule.of(function_of(data.draw(statements(Fresh())))))


@QUICK
@given(st.data(), attributes())
def test_graph_functions(data: st.DataObject, attrs: Attrs) -> None:
    shape = GraphVar("x", TensorType((N, M), FLOAT32))
    region = data.draw(graph_regions([shape], Fresh(), 2, 1))
    function = GraphFunction("main", (shape, *region.params), region.bindings, region.results, attrs)
    constants_ = {
        "w": ConstantData(np.array([1.0, -0.0, np.inf], np.float32)),
        "it's": ConstantData(np.zeros((2, 0), np.int64)),
    }
    check(IRModule.of(function, constants=constants_, attrs=attrs))


@pytest.mark.parametrize(
    "array",
    [
        np.array(3, np.int8),
        np.array([True, False]),
        np.array([0, 2**64 - 1], np.uint64),
        np.array([-(2**63), 1]),
        np.zeros((0, 3), np.float16),
        np.array([[1.5, -0.0]], np.float64),
        np.array([np.inf, -np.inf], np.float16),
        np.array([np.nan, -np.nan], np.float32),
        np.array([1, 2], ml_dtypes.bfloat16),
        np.array([1, 7], ml_dtypes.int4),
        np.arange(99, dtype=np.float32),
        np.array([0.1], np.float32),
    ],
    ids=lambda array: f"{array.dtype.name}{array.shape}",
)
def test_constants(array: np.ndarray) -> None:
    module = IRModule({}, {"c": ConstantData(array)})
    parsed = parse(script(module), constants=module.constants)
    assert parsed == module
    assert parsed.constants["c"].array.tobytes() == array.tobytes()


def test_small_constants_need_no_contents() -> None:
    module = IRModule({}, {"c": ConstantData(np.array([0.1, 1e-40, np.inf], np.float32))})
    assert parse(script(module)) == module


def test_single_functions_and_expressions_print() -> None:
    function = function_of(Seq(()))
    assert parse(script(function)).tensor("f") == function
    assert script(Var("n") * 2 + 1) == "n * 2 + 1"
