"""The official node tests of ONNX, through the importer and the reference interpreter.

A case that is not supported must be refused with TND-M003 or TND-M005 for an operator or type that is listed here.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tondo.diagnostics import TondoError

UNSUPPORTED = {"ImageDecoder"}
"""Operators without a converter."""

REASONS = (
    "its branch holds unsupported operators",
    "a result has rank 0 in one branch and 1 in the other",
)
"""Uses of known operators that are refused."""

NARROW = re.compile(r"bf?16|fp16|_BFLOAT16")
"""Values of 16 bits are rounded at other places."""

OTHER_VALUES = {
    **{
        f"test_bernoulli{kind}": "random"
        for kind in ("", "_double", "_seed", "_expanded", "_double_expanded", "_seed_expanded")
    },
    **{f"test_training_dropout{kind}": "random" for kind in ("", "_mask", "_default", "_default_mask")},
    "test_resize_downsample_scales_linear_align_corners": "the reference aligns with corners of a fractional size",
    "test_resize_downsample_scales_cubic_align_corners": "the same",
}
"""Cases whose values are not compared, with the reason."""

LIFTED = re.compile(r"must be a constant|depends? on data")


def _cases():
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {case.name: case for case in collect_testcases(None) if _numeric(case.model.graph)}


def _numeric(graph):
    """Texts, sequences and optional values belong to a call of compiled code: tests/conformance has them."""
    types = [value.type for value in (*graph.input, *graph.output)]
    return all(
        kind.WhichOneof("value") == "tensor_type" and kind.tensor_type.elem_type != onnx.TensorProto.STRING
        for kind in types
    )


CASES = _cases()


def _array(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _lifted(model, arrays):
    """Return the model with all inputs but the first made constants."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for value, array in list(zip(model.graph.input, arrays, strict=True))[1:]:
        copy.graph.initializer.append(numpy_helper.from_array(_array(array), value.name))
    return copy, arrays[:1]


def _import(tools, case, arrays):
    try:
        return tools.load(case.model), arrays
    except TondoError as error:
        if not LIFTED.search(str(error)) or len(arrays) < 2 or any(isinstance(array, list) for array in arrays):
            raise
        model, rest = _lifted(case.model, arrays)
        return tools.load(model), rest


def _expected(error: TondoError) -> bool:
    if error.code == "TND-M005":
        return True
    notes = error.diagnostics[0].notes
    listed = [any(reason in note for reason in REASONS) or note.split(" (", 1)[0] in UNSUPPORTED for note in notes]
    return error.code == "TND-M003" and all(listed)


def _widened(array):
    return np.asarray(array).astype(np.int64 if array.dtype.kind in "biu" or "int" in array.dtype.name else np.float64)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_node(tools, name):
    case = CASES[name]
    sets = case.data_sets or [([], [])]
    try:
        module, arrays = _import(tools, case, list(sets[0][0]))
    except TondoError as error:
        if not _expected(error):
            raise
        return
    got = tools.run(module, [_array(array) for array in arrays])
    tolerance = (2e-2, 2e-2) if NARROW.search(name) else (max(case.rtol, 1e-3), max(case.atol, 1e-5))
    for atom, mine, other in zip(module.graph().results, got, map(_array, sets[0][1]), strict=True):
        assert str(atom.tensor.dtype) == other.dtype.name
        assert mine.shape == other.shape
        if name in OTHER_VALUES:
            continue
        np.testing.assert_allclose(_widened(mine), _widened(other), rtol=tolerance[0], atol=tolerance[1])
