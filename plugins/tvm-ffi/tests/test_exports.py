"""Functions of Tondo called from tvm-ffi."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import tvm_ffi

import tondo_runtime
import tondo_tvm_ffi
from tondo_runtime import RuntimeFailure


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = set(tondo_runtime.names())
    yield
    for name in set(tondo_runtime.names()) - before:
        tondo_runtime.remove(name)


def exported(name: str):
    tondo_tvm_ffi.export_functions(name, override=True)
    return tvm_ffi.get_global_func(f"tondo.{name}")


def test_python_functions_take_and_return_objects() -> None:
    seen: list[tuple[object, ...]] = []

    @tondo_runtime.register("exports.look")
    def look(*args: object) -> object:
        seen.append(args)
        return ["a text of some length", {"n": 2}, np.arange(3.0)]

    result = exported("exports.look")(1, 2.5, True, None, "short", "a text of some length", b"bytes", np.arange(4.0))
    assert result[0] == "a text of some length"
    assert dict(result[1].items()) == {"n": 2}
    np.testing.assert_array_equal(np.from_dlpack(result[2]), [0, 1, 2])
    args = seen[0]
    assert args[:7] == (1, 2.5, True, None, "short", "a text of some length", b"bytes")
    np.testing.assert_array_equal(args[7], [0, 1, 2, 3])


def test_tensors_are_written_in_place() -> None:
    tondo_runtime.register("exports.fill", lambda x, value: x.fill(value))
    tensor = tvm_ffi.from_dlpack(np.zeros((2, 3), np.float32))
    exported("exports.fill")(tensor, 4.0)
    np.testing.assert_array_equal(np.from_dlpack(tensor), np.full((2, 3), 4, np.float32))


def test_native_functions_are_called_without_python(monkeypatch: pytest.MonkeyPatch) -> None:
    tondo_runtime.register_library(
        "libc.so.6",
        {
            "exports.length": ("strlen", "char* -> int64"),
            "exports.copy": ("memcpy", "void*, const float*, uint64"),
            "exports.status": ("abs", "int32 -> status"),
        },
    )
    functions = {name: exported(f"exports.{name}") for name in ("length", "copy", "status")}
    entered: list[int] = []
    real = tondo_runtime.trampoline._handles

    class Counting:
        def get(self, handle: int) -> object:
            entered.append(handle)
            return real.get(handle)

    monkeypatch.setattr("tondo_runtime.trampoline._handles", Counting())
    assert [functions["length"](text) for text in ("", "short", "a text of some length")] == [0, 5, 21]
    tensor, other = tvm_ffi.from_dlpack(np.arange(4, dtype=np.float32)), np.zeros(4, np.float32)
    functions["copy"](other, tensor, 16)
    np.testing.assert_array_equal(other, [0, 1, 2, 3])
    assert functions["status"](0) is None
    assert entered == []
    with pytest.raises(RuntimeError, match=r"'exports\.status' returned the status 3"):
        functions["status"](3)
    with pytest.raises(RuntimeError, match=r"argument 0 of 'exports\.status' is a str"):
        functions["status"]("text")
    with pytest.raises(RuntimeError, match="element type float64, not float32"):
        functions["copy"](other, np.zeros(4), 16)
    assert len(entered) == 6, "what does not fit is explained, and the explanation is raised: twice into Python each"


def test_names_that_are_taken_are_refused() -> None:
    tondo_runtime.register("exports.taken", lambda: 1)
    assert tondo_tvm_ffi.export_functions("exports.taken") == ("tondo.exports.taken",)
    with pytest.raises(RuntimeFailure) as info:
        tondo_tvm_ffi.export_functions("exports.taken")
    assert info.value.code == "TND-U005"
    tondo_runtime.register("exports.taken", lambda: 2, override=True)
    tondo_tvm_ffi.export_functions("exports.taken", override=True)
    assert tvm_ffi.get_global_func("tondo.exports.taken")() == 2


def test_imported_functions_are_not_exported_again() -> None:
    tondo_tvm_ffi.import_functions("ffi.json.*")
    assert tondo_tvm_ffi.export_functions("tvm_ffi:*") == ()


def test_the_runtime_s_own_functions_can_be_exported() -> None:
    key = np.zeros(2, np.int64)
    exported("tondo.random.key")(key)
    assert key.any()
