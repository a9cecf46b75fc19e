from __future__ import annotations

import pytest

from tondo.ir import FLOAT32, INT64, Attrs, DType, IRModule, OpCall, TensorType, Var, dims
from tondo.script import parse, script
from tondo_ops import OPERATORS

_N = Var("n")
_CALLS = [
    ("gelu", [((_N, 8), FLOAT32)], {}),
    ("where", [((_N, 1), DType("bool", 8)), ((8,), FLOAT32), ((), FLOAT32)], {}),
    ("softmax", [((_N, 8), FLOAT32)], {}),
    ("argmax", [((_N, 8), FLOAT32)], {"axis": 1}),
    ("cumsum", [((_N, 8), FLOAT32)], {"axis": 1, "reverse": True}),
    ("conv", [((_N, 4, 9, 9), FLOAT32), ((8, 2, 3, 3), FLOAT32), ((8,), FLOAT32)], {"groups": 2, "pads": (1, 1, 1, 1)}),
    (
        "max_pool",
        [((_N, 4, 9, 9), FLOAT32)],
        {"kernel": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1), "indices": True},
    ),
    ("average_pool", [((_N, 4, 9, 9), FLOAT32)], {"kernel": (3, 3), "pads": (1, 1, 1, 1)}),
    ("layer_norm", [((_N, 8), FLOAT32), ((8,), FLOAT32), ((8,), FLOAT32)], {}),
    ("matmul", [((_N, 4, 8), FLOAT32), ((8, 3), FLOAT32)], {}),
    ("reshape", [((_N, 4, 8), FLOAT32)], {"shape": (_N, 32)}),
    ("concat", [((_N, 4), FLOAT32), ((_N, 8), FLOAT32)], {"axis": 1}),
    ("gather", [((_N, 4), FLOAT32), ((3,), INT64)], {"axis": 0}),
    ("scatter_nd", [((_N, 4), FLOAT32), ((3, 1), INT64), ((3, 4), FLOAT32)], {"reduction": "add"}),
    ("scatter_elements", [((_N, 4), FLOAT32), ((_N, 2), INT64), ((_N, 2), FLOAT32)], {"axis": 1}),
    ("resize", [((_N, 1, 4, 4), FLOAT32)], {"sizes": (_N, 1, 7, 9), "mode": "linear"}),
    ("range", [], {"count": _N, "start": 3}),
]


@pytest.mark.parametrize(("op", "args", "attrs"), _CALLS, ids=[call[0] for call in _CALLS])
def test_definitions_print_and_parse_back(op, args, attrs):
    call = OpCall(op, tuple(TensorType(dims(shape), kind) for shape, kind in args), Attrs(attrs))
    module = IRModule.of(OPERATORS[op].define(call))
    assert parse(script(module)) == module
