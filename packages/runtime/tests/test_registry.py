"""Foreign functions: registration, values across the border, exceptions across native frames."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tondo_runtime
from tondo_runtime import Manifest, RuntimeFailure, Session
from tondo_runtime.abi import (
    AnyValue,
    Context,
    DLTensor,
    PackedEntry,
    ProfileBuffer,
    ProfileRecord,
    SafeCall,
    address_of,
)

Put = Callable[[Callable[..., object]], None]
Objects = Callable[[str], bytes]


@pytest.fixture
def name() -> Iterator[str]:
    yield "test.fn"
    if "test.fn" in tondo_runtime.names():
        tondo_runtime.remove("test.fn")


def call_through_native(name: str, *args: object) -> object:
    entry = tondo_runtime.get(name)
    return tondo_runtime.call_native(entry.address, entry.handle, args)


def test_structures_have_the_layout_of_the_contract() -> None:
    sizes = {AnyValue: 16, DLTensor: 48, Context: 88, PackedEntry: 16, ProfileBuffer: 24, ProfileRecord: 24}
    assert {kind: ctypes.sizeof(kind) for kind in sizes} == sizes
    offsets = [getattr(Context, field).offset for field, _ in Context._fields_]
    assert offsets == [0, 4, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80]
    assert AnyValue.payload.offset == 8
    assert [getattr(DLTensor, field).offset for field, _ in DLTensor._fields_] == [0, 8, 16, 20, 24, 32, 40]


def test_register_get_names_override_remove(name: str) -> None:
    @tondo_runtime.register(name)
    def double(x: int) -> int:
        return 2 * x

    assert double(2) == 4
    assert tondo_runtime.get(name)(3) == 6
    assert name in tondo_runtime.names()
    with pytest.raises(RuntimeFailure, match="already registered") as info:
        tondo_runtime.register(name, double)
    assert info.value.code == "TND-U005"
    tondo_runtime.register(name, lambda x: 3 * x, override=True)
    assert tondo_runtime.get(name)(3) == 9
    with pytest.raises(RuntimeFailure, match=r"did you mean 'test\.fn'") as info:
        tondo_runtime.get("test.fm")
    assert info.value.code == "TND-R002"
    tondo_runtime.remove(name)
    with pytest.raises(RuntimeFailure, match="no foreign function"):
        tondo_runtime.remove(name)
    with pytest.raises(RuntimeFailure, match="needs a name"):
        tondo_runtime.register("", double)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False),
    )
)
def test_plain_values_survive_the_border_both_ways(value: object) -> None:
    seen: list[object] = []

    def echo(x: object) -> object:
        seen.append(x)
        return x

    tondo_runtime.register("test.echo", echo, override=True)
    result = call_through_native("test.echo", value)
    tondo_runtime.remove("test.echo")
    assert result == value
    assert type(result) is type(value)
    assert seen == [value]


@settings(derandomize=True, deadline=None, max_examples=50)
@given(text=st.text().filter(lambda t: "\0" not in t))
def test_strings_are_received(text: str) -> None:
    seen: list[object] = []
    tondo_runtime.register("test.text", seen.append, override=True)
    call_through_native("test.text", text)
    tondo_runtime.remove("test.text")
    assert seen == [text]


DTYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_arrive_as_writable_views(name: str, dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    given_views = [array, array[:, ::2], array.transpose(2, 0, 1), array[1, 1, 1:1], np.array(array[0, 0, 1])]
    seen: list[np.ndarray] = []
    tondo_runtime.register(name, lambda *views: seen.extend(view.copy() for view in views))
    call_through_native(name, *given_views)
    for left, right in zip(seen, given_views, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)

    def fill(view: np.ndarray) -> None:
        view[...] = 1

    tondo_runtime.register(name, fill, override=True)
    call_through_native(name, array[:, 1])
    expected = np.arange(24).reshape(2, 3, 4).astype(dtype)
    expected[:, 1] = 1
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_extended_types_arrive_too(name: str, dtype: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.arange(6).astype(getattr(ml_dtypes, dtype))
    seen: list[np.ndarray] = []
    tondo_runtime.register(name, lambda view: seen.append(view.copy()))
    call_through_native(name, array)
    assert seen[0].dtype == array.dtype
    np.testing.assert_array_equal(seen[0].view(np.uint8), array.view(np.uint8))


def test_element_types_are_values(name: str) -> None:
    seen: list[object] = []
    tondo_runtime.register(name, seen.append)
    call_through_native(name, np.dtype("float32"))
    assert seen == [np.dtype("float32")]


@pytest.mark.parametrize("value", [object(), [1], 2**63, 1j, np.zeros(2, "c8"), np.zeros(2, ">f4"), np.dtype("c8")])
def test_unsuitable_arguments_are_refused(name: str, value: object) -> None:
    tondo_runtime.register(name, lambda _: None)
    with pytest.raises(RuntimeFailure) as info:
        call_through_native(name, value)
    assert info.value.code in {"TND-U003", "TND-U005"}


def test_unsuitable_result_is_an_error_of_the_function(name: str) -> None:
    tondo_runtime.register(name, lambda: "a longer text")
    with pytest.raises(RuntimeFailure, match="returned a str") as info:
        call_through_native(name)
    assert info.value.code == "TND-R001"


def test_exception_crosses_with_message_traceback_and_cause(name: str) -> None:
    def broken() -> None:
        raise LookupError("no such thing")

    tondo_runtime.register(name, broken)
    with pytest.raises(RuntimeFailure, match="raised LookupError: no such thing") as info:
        call_through_native(name)
    assert info.value.code == "TND-R001"
    assert isinstance(info.value.__cause__, LookupError)
    assert "in broken" in info.value.notes[0]


def test_native_function_is_called_without_python(name: str) -> None:
    @SafeCall
    def native(handle: int, args: int, count: int, result: int) -> int:
        value = AnyValue.from_address(args)
        target = AnyValue.from_address(result)
        target.type_index = 1
        target.payload.v_int64 = value.payload.v_int64 + handle
        return 0 if count == 1 else 5

    tondo_runtime.register_native(name, address_of(native), 1000, keep=native)
    assert tondo_runtime.get(name)(7) == 1007
    with pytest.raises(RuntimeFailure, match="failed with status 5"):
        tondo_runtime.get(name)(7, 8)
    with pytest.raises(RuntimeFailure, match="null address"):
        tondo_runtime.register_native("test.null", 0)


@pytest.fixture
def foreign(
    foreign_manifest: Manifest, objects: Objects, ir: dict[str, str], foreign_function: Put
) -> Callable[[Callable[..., object]], Session]:
    def make(function: Callable[..., object], text: str = "foreign") -> Session:
        foreign_function(function)
        return Session(foreign_manifest, {"code/0.o": objects(ir[text])}, {}, threads=2)

    return make


def test_generated_code_calls_python(foreign: Callable[..., Session]) -> None:
    def cumulate(n: int, x: np.ndarray, y: np.ndarray) -> None:
        assert x.shape == (n,)
        np.cumsum(x, out=y)

    model = foreign(cumulate)
    x = np.arange(10, dtype=np.float32)
    for size in (10, 0, 3):
        np.testing.assert_array_equal(model(x[:size]), np.cumsum(x[:size], dtype=np.float32))


@pytest.mark.parametrize("text", ["foreign", "foreign_parallel"])
def test_exception_in_generated_code_reaches_the_caller(foreign: Callable[..., Session], text: str) -> None:
    def broken(n: int, x: np.ndarray, y: np.ndarray) -> None:
        if n == 2:
            raise ZeroDivisionError(f"for {n}")
        y[...] = x

    model = foreign(broken, text)
    for _ in range(3):
        with pytest.raises(RuntimeFailure, match=r"'test.foreign' raised ZeroDivisionError: for 2") as info:
            model(np.zeros(2, np.float32))
        assert isinstance(info.value.__cause__, ZeroDivisionError)
        np.testing.assert_array_equal(model(np.ones(3, np.float32)), np.ones(3))


def test_interrupt_passes_unchanged(foreign: Callable[..., Session]) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        foreign(interrupted)(np.zeros(2, np.float32))


def test_error_text_of_generated_code(foreign: Callable[..., Session]) -> None:
    model = foreign(lambda *_: None)
    for _ in range(2):
        with pytest.raises(RuntimeFailure, match="13 is forbidden") as info:
            model(np.zeros(13, np.float32))
        assert info.value.code == "TND-R003"
        assert info.value.notes == ("kind of failure: ValueError",)


def test_session_within_a_foreign_function(foreign: Callable[..., Session], axpy: Session) -> None:
    def nested(_: int, x: np.ndarray, y: np.ndarray) -> None:
        y[...] = axpy(x, x)

    x = np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(foreign(nested)(x), x + x * np.float32(2.5))


def test_missing_foreign_function_is_found_at_load(
    foreign_manifest: Manifest, objects: Objects, ir: dict[str, str]
) -> None:
    with pytest.raises(RuntimeFailure, match=r"'test\.foreign'") as info:
        Session(foreign_manifest, {"code/0.o": objects(ir["foreign"])}, {})
    assert info.value.code == "TND-R002"


def test_session_keeps_its_function_after_removal(foreign: Callable[..., Session]) -> None:
    def ones(_n: int, _x: np.ndarray, y: np.ndarray) -> None:
        y[...] = 1

    model = foreign(ones)
    tondo_runtime.remove("test.foreign")
    np.testing.assert_array_equal(model(np.zeros(4, np.float32)), np.ones(4))
