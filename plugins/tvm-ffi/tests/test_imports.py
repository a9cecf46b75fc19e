"""Functions of tvm-ffi called from Tondo: from Python, graphs, tensor functions; without Python where native."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import tvm_ffi
import tvm_ffi.testing

import tondo
import tondo_runtime
import tondo_tvm_ffi
from tondo.script import parse
from tondo_runtime import RuntimeFailure
from tondo_tvm_ffi.library import SUPPORTED, check_version, library

# ``testing.schema_tensor_view_input`` is a C++ function of a tensor view and returns None.
ROWS = """
@tensor_function
def rows(n: int64, x: Buffer((n, 8), "float32"), y: Buffer((n, 8), "float32")):
    for i in parallel(0, n):
        xi = view(x, i * 32, (8,), "float32")
        yi = view(y, i * 32, (8,), "float32")
        invoke_packed("tvm_ffi:NAME", ARGS)
        for j in serial(0, 8):
            y[i, j] = y[i, j] * 1.0

@graph_function
def main(x: Tensor((n, 8), "float32")):
    a: Tensor((n, 8), "float32") = call_dps("rows", x, scalars=(n,))
    return (a,)
"""


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = set(tondo_runtime.names())
    yield
    for name in set(tondo_runtime.names()) - before:
        tondo_runtime.remove(name)


def compiled(name: str, args: str) -> tondo.driver.Model:
    text = ROWS.replace("NAME", name).replace("ARGS", args)
    return tondo.compile(parse(text), config={"cache": False}, threads=2)


def test_names_and_introspection() -> None:
    assert "testing.echo" in tondo_tvm_ffi.function_names("testing.*")
    found = tondo_tvm_ffi.import_functions("testing.[ae]*")
    assert {"tvm_ffi:testing.echo", "tvm_ffi:testing.add_one", "tvm_ffi:testing.apply"} <= set(found)
    info = tondo_runtime.describe("tvm_ffi:testing.echo")
    assert (info.kind, info.defined) == ("native", "tvm-ffi:testing.echo")
    assert info.distribution == "tondo-tvm-ffi"
    assert info.summary == "The function 'testing.echo' of tvm-ffi."
    with pytest.raises(RuntimeFailure) as failure:
        tondo_runtime.get("tvm_ffi:no.such.function")
    assert failure.value.code == "TND-R002"


def test_the_runtime_finds_the_package_by_itself() -> None:
    code = """
import tondo_runtime
assert tondo_runtime.get("tvm_ffi:ffi.json.Stringify")([1, "x"], None) == '[1,"x"]'
import sys
assert "tvm_ffi" not in sys.modules, "the library alone is enough"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.llvm
def test_generated_code_calls_compiled_functions_without_python(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[int] = []
    real = tondo_runtime.trampoline._handles

    class Counting:
        def get(self, handle: int) -> object:
            entered.append(handle)
            return real.get(handle)

        def __setitem__(self, handle: int, value: object) -> None:
            real[handle] = value

    monkeypatch.setattr("tondo_runtime.trampoline._handles", Counting())
    model = compiled("testing.nop", "xi, yi")
    x = np.ones((64, 8), np.float32)
    assert model(x).shape == (64, 8)
    assert entered == []


@pytest.mark.llvm
def test_objects_that_functions_return_are_given_back_by_generated_code() -> None:
    kept = tvm_ffi.from_dlpack(np.arange(3.0))
    count = tvm_ffi.get_global_func("testing.object_use_count")
    tvm_ffi.register_global_func("imports.give", lambda *_: kept, override=True)
    # A Python function goes through the trampoline; as a callback inside of C++ its result reaches generated code.
    give = tondo_tvm_ffi.objects.global_function("imports.give")
    assert give is not None
    tondo_runtime.register_native("imports.raw", give.safe_call, give.handle, keep=give)
    text = ROWS.replace("tvm_ffi:NAME", "imports.raw").replace("ARGS", "i")
    model = tondo.compile(parse(text), config={"cache": False}, threads=1)
    before = count(kept)
    model(np.ones((20, 8), np.float32))
    assert count(kept) == before


@pytest.mark.llvm
def test_generated_code_calls_python_functions_of_tvm_ffi() -> None:
    @tvm_ffi.register_global_func("imports.scale", override=True)
    def scale(x: tvm_ffi.Tensor, y: tvm_ffi.Tensor) -> tvm_ffi.Tensor:
        values = np.from_dlpack(x)
        if values[0] > 100:
            raise ValueError(f"{values[0]} is too large")
        np.from_dlpack(y)[...] = 3 * values
        return y

    model = compiled("imports.scale", "xi, yi")
    x = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    np.testing.assert_array_equal(model(x), 3 * x)
    x[250] = 200
    for _ in range(2):
        with pytest.raises(RuntimeFailure, match=r"ValueError: 200\.0 is too large") as info:
            model(x)
        assert "in scale" in info.value.notes[0]
        assert isinstance(info.value.__cause__, ValueError)


@pytest.mark.llvm
def test_errors_of_compiled_functions_come_from_worker_threads() -> None:
    model = compiled("testing.schema_id_string", "i")
    with pytest.raises(RuntimeFailure, match="TypeError") as info:
        model(np.ones((300, 8), np.float32))
    assert "tvm_ffi:testing.schema_id_string" in info.value.message
    assert isinstance(info.value.__cause__, TypeError)


@pytest.mark.llvm
def test_graph_functions_call_by_name_with_attributes() -> None:
    @tvm_ffi.register_global_func("imports.add", override=True)
    def add(x: tvm_ffi.Tensor, y: tvm_ffi.Tensor, told: str) -> None:
        assert told == '{"attrs": {"by": 2}}'
        np.from_dlpack(y)[...] = np.from_dlpack(x) + 2

    model = tondo.compile(
        parse("""
@graph_function
def main(x: Tensor((n,), "float32")):
    y: Tensor((n,), "float32") = call_packed("tvm_ffi:imports.add", x, attrs={"by": 2})
    return (y,)
"""),
        config={"cache": False},
    )
    np.testing.assert_array_equal(model(np.arange(4, dtype=np.float32)), [2, 3, 4, 5])


def test_versions_outside_of_the_range_are_refused_with_both_named() -> None:
    assert SUPPORTED[0] <= library().version < SUPPORTED[1]
    for version in ((0, 1, 13), (0, 1, 17), (0, 2, 0), (1, 0, 0), (0, 0, 0)):
        with pytest.raises(RuntimeFailure) as info:
            check_version(version)
        assert info.value.code == "TND-P003"
        assert ".".join(map(str, version)) in info.value.message
        assert ".".join(map(str, SUPPORTED[1])) in info.value.message


def test_a_library_that_is_none_is_refused(tmp_path) -> None:
    path = tmp_path / "libtvm_ffi.so"
    path.write_bytes(b"no library")
    with pytest.raises(RuntimeFailure, match="cannot be opened") as info:
        tondo_tvm_ffi.library.Library(str(path))
    assert info.value.code == "TND-P003"
    with pytest.raises(RuntimeFailure, match=r"version 0\.0\.0"):
        tondo_tvm_ffi.library.Library("libc.so.6")
