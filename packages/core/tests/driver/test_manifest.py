from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.driver.manifest import dim_of, graph_signature, make_manifest, member_of, signature_of
from tondo.ir import (
    FLOAT32,
    Attrs,
    Const,
    ConstantData,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorType,
    Var,
    binary,
    dims,
    floormod,
    logical_and,
    logical_or,
    maximum,
    select,
)
from tondo.plugin import CompiledCode, ObjectCode
from tondo.target import BASELINE_PROVIDERS, parse_target
from tondo_runtime.dims import DimTree, evaluate
from tondo_runtime.manifest_json import parse_manifest

N = Var("batch")
TARGET = parse_target("cpu=generic", BASELINE_PROVIDERS)


def lowered(**changes):
    attrs = Attrs(
        symbols=("batch", "m"),
        dimensions={"m": (2, None)},
        inputs=({"name": "x", "dtype": FLOAT32, "shape": (N, Var("m"))},),
        outputs=({"name": "y", "dtype": "bfloat16", "shape": (N * 2 + 1,)},),
        constants=("w", "b"),
        workspace=N * 64,
    )
    constants = {"b": ConstantData(np.zeros(4, np.int64)), "w": ConstantData(np.ones((3, 4), np.float32))}
    return IRModule(constants=constants, attrs=attrs.with_(**changes))


def test_the_signature_is_read_from_the_attributes():
    signature = signature_of(lowered())
    assert [(symbol.name, symbol.minimum) for symbol in signature.symbols] == [("batch", 1), ("m", 2)]
    assert [(spec.name, spec.dtype, spec.shape) for spec in signature.inputs] == [("x", "float32", ("batch", "m"))]
    assert signature.outputs[0].dtype == "bfloat16"
    assert signature.outputs[0].shape == (DimTree("add", DimTree("mul", "batch", 2), 1),)
    assert signature.constants == ("w", "b")
    assert signature.workspace == DimTree("mul", "batch", 64)


def test_symbols_have_the_bounds_of_the_module_else_those_that_are_given():
    symbols = signature_of(lowered(), {"batch": (4, 7), "m": (1, 7), "other": (9, 9)}).symbols
    assert [(symbol.name, symbol.minimum, symbol.maximum) for symbol in symbols] == [("batch", 4, 7), ("m", 2, None)]


def test_the_manifest_is_one_that_the_runtime_reads():
    import json

    code = CompiledCode(
        (ObjectCode("kernels", b""), ObjectCode("host", b"", "shared")), ("k0", "k1"), ("my.f",), frozenset({"sse2"})
    )
    manifest = make_manifest(lowered(), signature_of(lowered()), code, TARGET, "net", {"core": "0.1.0"}, {"passes": []})
    assert [(spec.name, spec.dtype, spec.shape) for spec in manifest.constants] == [
        ("w", "float32", (3, 4)),
        ("b", "int64", (4,)),
    ]
    assert [entry.member for entry in manifest.code] == ["code/kernels.o", "code/host.so"]
    assert manifest.entry_symbol == "__tondo_main"
    assert (manifest.kernels, manifest.packed, manifest.target.features) == (("k0", "k1"), ("my.f",), ("sse2",))
    text = manifest.to_json()
    for entry in text["code"]:
        entry["sha256"] = "0" * 64
        text["members"][entry["member"]] = {"sha256": "0" * 64, "size": 0}
    parsed = parse_manifest(json.dumps(text).encode(), "test")
    assert parsed.inputs == manifest.inputs
    assert parsed.workspace == manifest.workspace
    assert dict(parsed.plugins) == {"core": "0.1.0"}


def test_without_a_say_of_the_code_generator_all_features_are_needed():
    manifest = make_manifest(lowered(), signature_of(lowered()), CompiledCode(()), TARGET, "net", {}, {})
    assert manifest.target.features == tuple(sorted(TARGET.features))


@pytest.mark.parametrize(
    ("value", "dim"),
    [
        (3, 3),
        ("n", "n"),
        (Const(3), 3),
        (N, "batch"),
        (maximum(N, Const(1)), DimTree("max", "batch", 1)),
        ((N + 3) // 4, DimTree("floordiv", DimTree("add", "batch", 3), 4)),
        (N % 4, DimTree("floormod", "batch", 4)),
    ],
)
def test_dimensions(value, dim):
    assert dim_of(value) == dim


@pytest.mark.parametrize("value", [binary("truncdiv", N, Const(2)), True, 1.5, None])
def test_dimensions_that_the_runtime_cannot_compute(value):
    with pytest.raises(TondoError) as caught:
        dim_of(value)
    assert caught.value.code == "TND-B001"


@pytest.mark.parametrize("name", ["symbols", "inputs", "outputs", "constants", "workspace"])
def test_a_module_that_is_not_lowered_is_refused(name):
    module = lowered()
    with pytest.raises(TondoError, match=f"no attribute '{name}'"):
        signature_of(module.with_attrs(module.attrs.without(name)))


@pytest.mark.parametrize("changes", [{"inputs": 3}, {"inputs": ("x",)}, {"constants": (3,)}, {"symbols": (FLOAT32,)}])
def test_attributes_of_another_form_are_refused(changes):
    with pytest.raises(TondoError) as caught:
        signature_of(lowered(**changes))
    assert caught.value.code == "TND-B001"


def test_the_signature_of_a_graph():
    x = GraphVar("x", TensorType(dims((N, 3)), FLOAT32))
    signature = graph_signature(IRModule.of(GraphFunction("main", (x,), (), (x,))))
    assert [symbol.name for symbol in signature.symbols] == ["batch"]
    assert signature.inputs == signature.outputs


def test_names_of_the_importer_are_kept():
    x = GraphVar("x", TensorType(dims((N, 3)), FLOAT32))
    attrs = Attrs(input_names=("data:0",), output_names=("out:0",))
    signature = graph_signature(IRModule.of(GraphFunction("main", (x,), (), (x,), attrs)))
    assert (signature.inputs[0].name, signature.outputs[0].name) == ("data:0", "out:0")


def test_a_graph_of_unknown_rank_has_no_signature():
    x = GraphVar("x", TensorType(None, FLOAT32))
    with pytest.raises(TondoError, match="known rank"):
        graph_signature(IRModule.of(GraphFunction("main", (x,), (), (x,))))
    with pytest.raises(TondoError, match="no graph function"):
        graph_signature(IRModule())


def test_members_are_named_by_kind():
    assert member_of("a", "object") == "code/a.o"
    assert member_of("a", "shared") == "code/a.so"


@pytest.mark.parametrize("n", [0, 2, 3, 6])
def test_sizes_that_depend_on_conditions(n):
    size = select(logical_and(N.ne(3), logical_or(floormod(N, 3).eq(0), ~(N >= 1))), N * 2, select(N < 3, 7, N + 1))
    wanted = n * 2 if n != 3 and (n % 3 == 0 or not n >= 1) else 7 if n < 3 else n + 1
    assert evaluate(dim_of(size), {"batch": n}) == wanted
