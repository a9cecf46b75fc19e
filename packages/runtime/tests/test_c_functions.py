"""Plain C functions by signature, as machine code and through ctypes; functions of shared libraries."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tondo_runtime
from tondo_runtime import Pointer, RuntimeFailure, register_c, register_library
from tondo_runtime.abi import AnyValue, SafeCall, address_of
from tondo_runtime.signature import Signature

SOURCE = """
#include <stdint.h>
#include <stdbool.h>
#include <string.h>
typedef struct { int32_t type; uint32_t pad; int64_t value; } Any;
int add_values(void *handle, const Any *args, int32_t n, Any *result) {
  int64_t sum = (int64_t)handle;
  for (int32_t i = 0; i < n; i++) { if (args[i].type != 1) return 7; sum += args[i].value; }
  result->type = 1; result->pad = 0; result->value = sum;
  return 0;
}
int axpy(float *y, const float *x, int64_t n, double a) {
  if (n < 0) return 3;
  for (int64_t i = 0; i < n; i++) y[i] += (float)a * x[i];
  return 0;
}
float mixed(bool b, int8_t i8, uint8_t u8, int16_t i16, uint16_t u16, int32_t i32, uint32_t u32, int64_t i64, float f) {
  return (b ? 1000.0f : 0.0f) + i8 + u8 + i16 + u16 + i32 + u32 + i64 + f;
}
int8_t narrow(int64_t x) { return (int8_t)x; }
uint16_t unsigned_narrow(int64_t x) { return (uint16_t)x; }
bool is_null(const void *p) { return p == 0; }
int64_t length(const char *text) { return strlen(text); }
void nothing(void) {}
double sum16(const uint16_t *x, uint64_t n) { double s = 0; for (uint64_t i = 0; i < n; i++) s += x[i]; return s; }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("library")
    source, path = folder / "functions.c", folder / "libfunctions.so"
    source.write_text(SOURCE)
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    return path


@pytest.fixture(params=["machine code", "ctypes"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    way = str(request.param)
    if way == "machine code" and importlib.util.find_spec("llvmlite") is None:
        pytest.skip("needs llvmlite")
    if way == "ctypes":
        monkeypatch.setattr("tondo_runtime.c_functions.make_thunk", lambda *_: None)
    return way


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = set(tondo_runtime.names())
    yield
    for name in set(tondo_runtime.names()) - before:
        tondo_runtime.remove(name)


def call(name: str, *args: object) -> object:
    """Call through the safe-call convention, as generated code does."""
    function = tondo_runtime.get(name)
    return tondo_runtime.call_native(function.address, function.handle, args)


FUNCTIONS = {
    "c.axpy": ("axpy", "float*, const float*, int64, double -> status"),
    "c.mixed": ("mixed", "bool, int8, uint8, int16, uint16, int32, uint32, int64, float -> float"),
    "c.narrow": ("narrow", "int64 -> int8"),
    "c.unsigned": ("unsigned_narrow", "int64 -> uint16"),
    "c.is_null": ("is_null", "void* -> bool"),
    "c.length": ("length", "char* -> int64"),
    "c.nothing": ("nothing", "() -> void"),
    "c.sum16": ("sum16", "const uint16*, uint64 -> double"),
}


def test_numbers_tensors_texts_and_results(library: Path, way: str) -> None:
    assert register_library(library, FUNCTIONS) == tuple(FUNCTIONS)
    assert all(tondo_runtime.get(name).is_native == (way == "machine code") for name in FUNCTIONS)
    x, y = np.arange(5, dtype=np.float32), np.ones(5, np.float32)
    assert call("c.axpy", y, x, 5, 2.0) is None
    np.testing.assert_array_equal(y, 1 + 2 * x)
    assert call("c.axpy", y, x, 5, 1) is None, "an integer is a number too"
    np.testing.assert_array_equal(y, 1 + 3 * x)
    grid = np.zeros((2, 3), np.float32)
    assert tondo_runtime.get("c.axpy")(grid[1], x, 3, 1.0) is None
    np.testing.assert_array_equal(grid, [[0, 0, 0], [0, 1, 2]])
    assert call("c.mixed", True, -128, 255, -30000, 65000, -(2**31), 2**32 - 1, 2**20, 0.5) == pytest.approx(
        float(np.float32(1000 - 128 + 255 - 30000 + 65000 - 2**31 + 2**32 - 1 + 2**20 + 0.5)), rel=1e-6
    )
    assert call("c.narrow", 200) == 200 - 256
    assert call("c.unsigned", -1) == 65535
    assert call("c.is_null", None) is True
    assert call("c.is_null", Pointer(16)) is False
    assert call("c.is_null", x) is False
    assert [call("c.length", text) for text in ("", "hallo", "a longer text")] == [0, 5, 13]
    assert call("c.nothing") is None
    assert call("c.sum16", np.array([1, 65535], np.uint16), 2) == 65536.0


@pytest.mark.parametrize(
    ("name", "args", "reason"),
    [
        ("c.axpy", (1, 2), "takes 4 arguments, not 2"),
        ("c.axpy", (np.zeros(2, np.float64), np.zeros(2, np.float32), 2, 1.0), "element type float64, not float32"),
        ("c.axpy", (np.zeros(4, np.float32)[::2], np.zeros(2, np.float32), 2, 1.0), "argument 0 .* not row-major"),
        ("c.axpy", (None, np.zeros(2, np.float32), 2, 1.0), "a NoneType, not a tensor of float32"),
        ("c.axpy", (np.zeros(2, np.float32), np.zeros(2, np.float32), 2.0, 1.0), "a float, not a int64"),
        ("c.axpy", (np.zeros(2, np.float32), np.zeros(2, np.float32), -1, 1.0), "returned the status 3"),
        ("c.mixed", (True, 128, 0, 0, 0, 0, 0, 0, 0.0), "argument 1 of 'c.mixed' is 128, which does not fit int8"),
        ("c.mixed", (True, 0, -1, 0, 0, 0, 0, 0, 0.0), "is -1, which does not fit uint8"),
        ("c.length", (3,), "a int, not a text"),
        ("c.is_null", (3,), "a int, not a tensor or a pointer"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    library: Path, way: str, name: str, args: tuple[object, ...], reason: str
) -> None:
    del way
    register_library(library, FUNCTIONS)
    with pytest.raises(RuntimeFailure, match=reason) as info:
        call(name, *args)
    assert info.value.code == "TND-R001"


def test_ctypes_functions_bring_their_signature(library: Path) -> None:
    functions = ctypes.CDLL(str(library))
    functions.axpy.argtypes = (
        ctypes.POINTER(ctypes.c_float),
        ctypes.POINTER(ctypes.c_float),
        ctypes.c_int64,
        ctypes.c_double,
    )
    functions.axpy.restype = None
    register_c("c.axpy", functions.axpy)
    assert "axpy (float32*, float32*, int64, float64 -> void)" in tondo_runtime.describe("c.axpy").defined
    y = np.ones(2, np.float32)
    call("c.axpy", y, y.copy(), 2, 3.0)
    np.testing.assert_array_equal(y, [4, 4])
    with pytest.raises(RuntimeFailure, match=r"signature of the C function 'c.other' is not known"):
        register_c("c.other", functions.narrow)
    with pytest.raises(RuntimeFailure, match="already registered"):
        register_c("c.axpy", functions.axpy)
    register_c("c.axpy", address_of(functions.narrow), "int64 -> int8", override=True)
    assert call("c.axpy", 5) == 5


def test_callbacks_stay_alive() -> None:
    @ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)
    def twice(x: int) -> int:
        return 2 * x

    register_c("c.twice", twice)
    del twice
    assert call("c.twice", 21) == 42


def test_cffi_pointers(library: Path) -> None:
    cffi = pytest.importorskip("cffi")
    ffi = cffi.FFI()
    ffi.cdef("int axpy(float *y, const float *x, int64_t n, double a); int8_t narrow(int64_t x); long length(char *);")
    opened = ffi.dlopen(str(library))
    register_c("c.axpy", ffi.addressof(opened, "axpy"), keep=opened)
    register_c("c.narrow", ffi.addressof(opened, "narrow"), keep=opened)
    y = np.ones(2, np.float32)
    assert call("c.axpy", y, y.copy(), 2, 3.0) == 0
    np.testing.assert_array_equal(y, [4, 4])
    assert call("c.narrow", 255) == -1
    with pytest.raises(RuntimeFailure, match=r"signature of the C function 'c.struct' is not known"):
        register_c("c.struct", ffi.cast("void *", 16))


def test_safe_call_symbols_are_called_as_they_are(library: Path) -> None:
    register_library(library, {"c.add": "add_values"})
    assert tondo_runtime.get("c.add").is_native
    assert call("c.add", 1, 2, 3) == 6
    assert tondo_runtime.describe("c.add").defined == "libfunctions.so:add_values"
    with pytest.raises(RuntimeFailure, match=r"'c.add' failed with status 7"):
        tondo_runtime.get("c.add")(1.5)


def test_wrong_libraries_are_refused_and_nothing_is_registered(library: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure, match="cannot be opened") as info:
        register_library(tmp_path / "none.so", {"c.f": "f"})
    assert info.value.code == "TND-U006"
    with pytest.raises(RuntimeFailure, match="has no function 'missing'"):
        register_library(library, {"c.add": "add_values", "c.missing": "missing"})
    assert "c.add" not in tondo_runtime.names()


@pytest.mark.parametrize(
    "text",
    [
        "float** -> void",
        "struct point -> void",
        "int32 -> float*",
        "void, int32 -> void",
        "status -> void",
        "a b -> int",
    ],
)
def test_wrong_signatures_are_refused(text: str) -> None:
    with pytest.raises(RuntimeFailure) as info:
        Signature.parse(text)
    assert info.value.code == "TND-U005"


def test_signatures_print_as_they_parse() -> None:
    for _, text in FUNCTIONS.values():
        parsed = Signature.parse(text)
        assert Signature.parse(str(parsed)) == parsed


def test_things_that_are_no_functions_are_refused() -> None:
    with pytest.raises(RuntimeFailure, match="a str is no C function"):
        register_c("c.f", "strlen", "char* -> int64")
    with pytest.raises(RuntimeFailure, match="null address"):
        register_c("c.f", 0, "char* -> int64")


def test_safe_call_of_a_bare_address() -> None:
    @SafeCall
    def count(handle: int, args: int, number: int, result: int) -> int:
        del handle, args
        slot = AnyValue.from_address(result)
        slot.type_index, slot.payload.v_int64 = 1, number
        return 0

    assert tondo_runtime.call_native(address_of(count), 0, (1, None, "x")) == 3
