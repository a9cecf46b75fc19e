"""Values and objects across the border, both ways, with ownership; errors with kind, message and traceback."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import tvm_ffi
import tvm_ffi.testing
from hypothesis import given, settings
from hypothesis import strategies as st

import tondo_runtime
import tondo_tvm_ffi
from tondo_runtime import Device, Pointer, RuntimeFailure
from tondo_tvm_ffi import Foreign, ForeignError, ForeignFunction, Shape

tondo_tvm_ffi.connect()


def there(name: str):
    return tondo_runtime.get(f"tvm_ffi:testing.{name}")


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(max_size=40),
    st.binary(max_size=40),
    st.integers(1, 2**48).map(Pointer),
    st.builds(Device, st.sampled_from([1, 2]), st.integers(0, 3)),
    st.sampled_from(["int8", "float16", "float32", "int64"]).map(np.dtype),
    st.lists(st.integers(0, 2**40), max_size=5).map(Shape),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=12), st.integers(0, 99)), inner, max_size=4),
    ),
    max_leaves=12,
)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(value=VALUES)
def test_values_return_as_they_went(value: object) -> None:
    found = there("echo")(value)
    assert found == value
    assert type(found) is type(value)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(value=VALUES)
def test_python_callbacks_receive_and_return_the_same(value: object) -> None:
    seen: list[object] = []

    def callback(item: object) -> object:
        seen.append(item)
        return item

    assert there("apply")(callback, value) == value
    assert seen == [value]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", "float64"])
def test_tensors_share_memory(dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for view in (array, array[:, ::2], array.transpose(2, 0, 1), array[1, 1, 1:1]):
        found = there("echo")(view)
        assert found.dtype == view.dtype
        np.testing.assert_array_equal(found, view)
        if view.size:
            assert np.shares_memory(found, array)


def test_tensors_stay_alive_with_their_arrays_and_no_longer() -> None:
    made = tvm_ffi.from_dlpack(np.arange(5.0))
    count = tvm_ffi.get_global_func("testing.object_use_count")
    before = count(made)
    wrapped = there("echo")(made)
    part = wrapped[2:]
    assert count(made) == before + 1
    del wrapped
    gc.collect()
    assert count(made) == before + 1
    np.testing.assert_array_equal(part, [2, 3, 4])
    del part
    gc.collect()
    assert count(made) == before


def test_objects_do_not_pile_up() -> None:
    """Texts, containers, functions and errors are given back: the count of a shared object returns to where it was."""
    made = tvm_ffi.from_dlpack(np.arange(3.0))
    count = tvm_ffi.get_global_func("testing.object_use_count")
    before = count(made)
    lent, callbacks = set(tondo_tvm_ffi.objects._lent), set(tondo_tvm_ffi.objects._callbacks)
    for _ in range(50):
        there("echo")([made, {"key": made}])
        there("apply")(lambda item: item, made)
        with pytest.raises(RuntimeFailure):
            there("apply")(lambda item: 1 // 0, made)
    gc.collect()
    assert count(made) == before
    assert set(tondo_tvm_ffi.objects._lent) <= lent
    assert set(tondo_tvm_ffi.objects._callbacks) <= callbacks


def test_functions_cross_and_come_back() -> None:
    twice = there("echo")(lambda x: 2 * x)
    assert isinstance(twice, ForeignFunction)
    assert twice(21) == 42
    assert there("apply")(twice, 4) == 8
    assert there("apply")(lambda function, x: function(x) + 1, twice, 4) == 9


def test_objects_without_a_form_can_be_passed_back() -> None:
    module = tvm_ffi.get_global_func("ffi.SystemLib")()
    item = there("echo")(Foreign(*_owned(module)))
    assert isinstance(item, Foreign)
    assert "module" in repr(item)
    assert tondo_runtime.get("tvm_ffi:ffi.ModuleGetKind")(item) == "library"


def _owned(item: object) -> tuple[int, int]:
    handle = item.__chandle__()
    tondo_tvm_ffi.library.library().call("TVMFFIObjectIncRef", handle)
    return handle, 73


def test_values_without_a_form_are_refused() -> None:
    with pytest.raises(RuntimeFailure, match="TND-U005"):
        there("echo")(1j)
    with pytest.raises(RuntimeFailure, match="does not fit 64 bits"):
        there("echo")(2**70)
    with pytest.raises(RuntimeFailure, match="TND-U003"):
        there("echo")(np.zeros(2, "c8"))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ValueError", ValueError),
        ("TypeError", TypeError),
        ("KeyError", KeyError),
        ("IndexError", IndexError),
        ("MyOwnError", ForeignError),
        ("int", ForeignError),
        ("UnicodeDecodeError", ForeignError),
    ],
)
def test_errors_from_there_keep_kind_message_and_traceback(kind: str, expected: type[Exception]) -> None:
    with pytest.raises(RuntimeFailure, match="no such thing") as info:
        there("test_raise_error")(kind, "no such thing")
    assert info.value.code == "TND-R001"
    cause = info.value.__cause__
    assert type(cause) is expected
    assert cause.args == ("no such thing",)
    assert "TestRaiseError" in info.value.notes[0], "the frames of C++ are in the traceback"
    if isinstance(cause, ForeignError):
        assert cause.kind == kind


def test_errors_of_callbacks_pass_through_and_back() -> None:
    def broken() -> None:
        raise LookupError("in the callback")

    with pytest.raises(RuntimeFailure, match="LookupError: in the callback") as info:
        there("apply")(broken)
    assert "in broken" in info.value.notes[0]
    assert isinstance(info.value.__cause__, LookupError)


def test_errors_here_reach_tvm_ffi_with_their_frames() -> None:
    @tondo_runtime.register("bridge.broken")
    def broken(x: int) -> None:
        raise IndexError(f"no item {x}")

    tondo_tvm_ffi.export_functions("bridge.broken", override=True)
    tondo_runtime.remove("bridge.broken")
    with pytest.raises(IndexError, match="no item 7") as info:
        tvm_ffi.get_global_func("tondo.bridge.broken")(7)
    assert any(entry.name == "broken" for entry in info.traceback)


def test_errors_as_values() -> None:
    seen: list[object] = []
    tvm_ffi.register_global_func("bridge.error_value", lambda f: f(tvm_ffi.core.Error("ValueError", "kept", "")))
    tondo_runtime.get("tvm_ffi:bridge.error_value")(seen.append)
    assert isinstance(seen[0], ValueError)
    assert seen[0].args == ("kept",)
