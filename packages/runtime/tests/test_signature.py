"""Signatures with several symbols, trees, static shapes, scalars, several outputs and unusual element types."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest

from tondo_runtime import Manifest, RuntimeFailure, Session, SymbolSpec, TensorSpec
from tondo_runtime.binding import make_plan
from tondo_runtime.dims import DimTree
from tondo_runtime.dtypes import NAMES, dtype_of, dtype_of_array, dtype_of_code
from tondo_runtime.manifest import CodeSpec

Objects = Callable[[str], bytes]

# Copies the bytes of input i to output i, for every input; sizes are the output's element counts times 2 or 4.
COPY = """
declare ptr @memcpy(ptr, ptr, i64)
define i32 @__tondo_main(ptr %ctx, ptr %args, i32 %n, ptr %result) {
  %x.slot = getelementptr i8, ptr %args, i64 8
  %x.tensor = load ptr, ptr %x.slot
  %x = load ptr, ptr %x.tensor
  %y.slot = getelementptr i8, ptr %args, i64 24
  %y.tensor = load ptr, ptr %y.slot
  %y = load ptr, ptr %y.tensor
  %bits.at = getelementptr i8, ptr %x.tensor, i64 21
  %bits = load i8, ptr %bits.at
  %up = add i8 %bits, 7
  %bytes = udiv i8 %up, 8
  %wide = zext i8 %bytes to i64
  %done = call ptr @memcpy(ptr %y, ptr %x, i64 %wide)
  ret i32 0
}
"""


def manifest(**parts: object) -> Manifest:
    return Manifest(name="m", entry="main", **parts)


def tensor(name: str, *shape: object, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name, dtype, shape)


MIXED = manifest(
    symbols=(SymbolSpec("b", 2), SymbolSpec("s", 1)),
    inputs=(tensor("x", "b", "s", 4), tensor("mask", "b", DimTree("mul", "s", 2)), tensor("bias", 4)),
    outputs=(tensor("y", "b", DimTree("floordiv", DimTree("add", "s", 3), 4)), tensor("z")),
    workspace=DimTree("max", DimTree("mul", "b", 64), 256),
)


def test_plan_of_mixed_symbols() -> None:
    plan = make_plan(MIXED, ((3, 10, 4), (3, 20), (4,)))
    assert plan.symbols == (3, 10)
    assert plan.output_shapes == ((3, 3), ())
    assert plan.output_bytes == (36, 4)
    assert plan.workspace == 256


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        (((3, 10), (3, 20), (4,)), "2 dimensions instead of 3"),
        (((3, 10, 5), (3, 20), (4,)), r"shape \(3, 10, 5\), the model expects \(b, s, 4\)"),
        (((3, 10, 4), (4, 20), (4,)), "dimension 0 is 4 instead of 3 .'b' is 3 by dimension 0 of 'x'"),
        (((3, 10, 4), (3, 21), (4,)), r"dimension 1 is 21 instead of 20 \(\(s \* 2\)\)"),
        (((1, 10, 4), (1, 20), (4,)), "dimension 0 of 'x' is 1, 'b' has to be at least 2"),
        (((3, 10, 4), (3, 20), (5,)), r"the model expects \(4,\)"),
    ],
)
def test_shape_refusals(shapes: tuple[tuple[int, ...], ...], text: str) -> None:
    with pytest.raises(RuntimeFailure, match=text) as info:
        make_plan(MIXED, shapes)
    assert info.value.code == "TND-U002"


@pytest.mark.parametrize(
    ("output", "workspace"),
    [
        (tensor("y", DimTree("mul", "n", 2**62)), 0),
        (tensor("y", DimTree("mul", "n", 2**40), 2**20), 0),
        (tensor("y"), DimTree("mul", "n", 2**62)),
        (tensor("y"), DimTree("sub", "n", 100)),
        (tensor("y", DimTree("floordiv", 1, DimTree("sub", "n", 4))), 0),
    ],
)
def test_sizes_that_overflow_are_refused(output: TensorSpec, workspace: object) -> None:
    model = manifest(symbols=(SymbolSpec("n"),), inputs=(tensor("x", "n"),), outputs=(output,), workspace=workspace)
    with pytest.raises(RuntimeFailure) as info:
        make_plan(model, ((4,),))
    assert info.value.code == "TND-X003"


def test_negative_output_is_a_shape_error() -> None:
    model = manifest(
        symbols=(SymbolSpec("n"),), inputs=(tensor("x", "n"),), outputs=(tensor("y", DimTree("sub", "n", 5)),)
    )
    with pytest.raises(RuntimeFailure, match="negative shape") as info:
        make_plan(model, ((4,),))
    assert info.value.code == "TND-U002"


def test_impossible_workspace_is_a_plain_error_and_the_session_survives(objects: Objects) -> None:
    model = manifest(
        symbols=(SymbolSpec("n"),),
        inputs=(tensor("x"), tensor("pad", "n")),
        outputs=(),
        workspace=DimTree("mul", DimTree("sub", "n", 1), 2**60),
        code=(CodeSpec("code/0.o", "object", "0" * 64),),
    )
    text = "define i32 @__tondo_main(ptr %c, ptr %a, i32 %n, ptr %r) {\n ret i32 0\n}"
    with Session(model, {"code/0.o": objects(text)}, {}) as session:
        with pytest.raises(RuntimeFailure, match="no memory for 2305843009213693952 bytes") as info:
            session(np.float32(1).reshape(()), np.zeros(3, np.float32))
        assert info.value.code == "TND-R003"
        assert session(np.float32(1).reshape(()), np.zeros(1, np.float32)) == ()


@pytest.mark.parametrize("dtype", NAMES)
def test_scalars_of_every_element_type(objects: Objects, dtype: str) -> None:
    model = manifest(
        inputs=(tensor("x", dtype=dtype),),
        outputs=(tensor("y", dtype=dtype),),
        code=(CodeSpec("code/0.o", "object", "0" * 64),),
    )
    carrier = dtype_of(dtype).numpy
    with Session(model, {"code/0.o": objects(COPY)}, {}) as session:
        x = np.array(1, carrier)
        y = session(x)
        assert y.shape == ()
        assert y.dtype == carrier
        assert y == x


def test_element_types_map_to_dlpack_and_back() -> None:
    for name in NAMES:
        dtype = dtype_of(name)
        assert dtype_of_code(dtype.code, dtype.bits) == dtype
        assert dtype.numpy.itemsize == dtype.itemsize
        assert dtype_of_array(dtype.numpy) in (dtype, dtype_of(f"uint{8 * dtype.itemsize}"))
    for code in ((5, 64, 1), (0, 3, 1), (2, 32, 4)):
        with pytest.raises(RuntimeFailure, match="unsupported DLPack"):
            dtype_of_code(*code)
    with pytest.raises(RuntimeFailure, match="did you mean 'float32'"):
        dtype_of("float23")


def test_extended_types_without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    dtype_of.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert dtype_of("bfloat16").numpy == np.uint16
    assert dtype_of("float8_e5m2").numpy == np.uint8
    assert dtype_of("int4").numpy == np.uint8
    dtype_of.cache_clear()


def test_failures_survive_pickling() -> None:
    failure = RuntimeFailure("TND-U002", "wrong", ("a", "b"), "do this")
    again = pickle.loads(pickle.dumps(failure))
    assert str(again) == str(failure) == "error[TND-U002]: wrong\n  note: a\n  note: b\n  help: do this"
    assert (again.code, again.exit_status) == ("TND-U002", 2)
    with pytest.raises(KeyError):
        RuntimeFailure("TND-Q999", "unknown")


def test_symbol_that_no_input_binds_is_refused() -> None:
    model = manifest(symbols=(SymbolSpec("n"),), inputs=(tensor("x", DimTree("mul", "n", 2)),), outputs=())
    with pytest.raises(RuntimeFailure, match="no input has the symbol 'n'") as info:
        make_plan(model, ((4,),))
    assert info.value.code == "TND-A001"


def test_numpy_scalars_are_inputs_and_never_outputs(objects: Objects) -> None:
    model = manifest(inputs=(tensor("x"),), outputs=(tensor("y"),), code=(CodeSpec("code/0.o", "object", "0" * 64),))
    with Session(model, {"code/0.o": objects(COPY)}, {}) as session:
        assert session(np.float32(2.5)) == np.float32(2.5)
        with pytest.raises(RuntimeFailure, match="the output 'y' is a float32, not an array"):
            session.run({"x": np.float32(1)}, {"y": np.float32(0)})
