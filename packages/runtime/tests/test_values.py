"""Tagged values: each type code both ways, small and long texts, and objects that nobody understands."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tondo_runtime
from tondo_runtime import Device, Pointer, RuntimeFailure
from tondo_runtime.abi import AnyValue, SafeCall, TypeIndex, address_of
from tondo_runtime.tensors import data_of
from tondo_runtime.values import load_value, pack_args, store_result

INT32 = st.integers(-(2**31), 2**31 - 1)
SHORT = st.text(max_size=7).filter(lambda text: len(text.encode()) <= 7)
DTYPES = st.sampled_from(["bool", "int8", "uint16", "int32", "int64", "float16", "float32", "float64"]).map(np.dtype)

OWNED = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.integers(0, 2**64 - 1).map(Pointer),
    st.builds(Device, INT32, INT32),
    DTYPES,
    SHORT,
    st.binary(max_size=7),
)
CODES = {
    type(None): 0,
    int: 1,
    bool: 2,
    float: 3,
    Pointer: 4,
    Device: 6,
    str: 11,
    bytes: 12,
}


@settings(derandomize=True, deadline=None, max_examples=300)
@given(value=OWNED)
def test_owned_values_round_trip_under_their_code(value: object) -> None:
    slot = AnyValue()
    ctypes.memset(ctypes.addressof(slot), 0xAB, 16)
    store_result(ctypes.addressof(slot), value)
    assert slot.type_index == CODES.get(type(value), int(TypeIndex.DATA_TYPE))
    small = isinstance(value, str | bytes)
    assert slot.zero_padding == (len(value.encode() if isinstance(value, str) else value) if small else 0)
    found = load_value(slot)
    assert found == value
    assert isinstance(found, type(value))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(values=st.lists(st.one_of(OWNED, st.text().filter(lambda text: "\0" not in text), st.binary()), max_size=6))
def test_arguments_arrive_as_they_are(values: list[object]) -> None:
    packed = pack_args(values)
    assert [load_value(slot) for slot in packed.table] == values
    kinds = {str: TypeIndex.RAW_STR, bytes: TypeIndex.BYTE_ARRAY_PTR}
    for slot, value in zip(packed.table, values, strict=True):
        if type(value) in kinds and (not isinstance(value, str) or "\0" not in value):
            assert slot.type_index == kinds[type(value)]


def test_payload_bytes_lie_where_the_abi_has_them() -> None:
    slot = AnyValue()
    store_result(ctypes.addressof(slot), "abc")
    assert bytes(slot) == b"\x0b\0\0\0\x03\0\0\0abc\0\0\0\0\0"
    store_result(ctypes.addressof(slot), Device(2, 1))
    assert bytes(slot) == b"\x06\0\0\0\0\0\0\0\x02\0\0\0\x01\0\0\0"
    store_result(ctypes.addressof(slot), np.dtype("float32"))
    assert bytes(slot) == b"\x05\0\0\0\0\0\0\0\x02\x20\x01\0\0\0\0\0"
    store_result(ctypes.addressof(slot), True)
    assert bytes(slot) == b"\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0"


@pytest.mark.parametrize("value", ["eight by", b"12345678", "ä" * 4, object(), np.zeros(2), (1, 2)])
def test_results_without_an_owner_are_refused(value: object) -> None:
    slot = AnyValue()
    with pytest.raises(RuntimeFailure, match="returned a") as info:
        store_result(ctypes.addressof(slot), value)
    assert info.value.code == "TND-U005"


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (65, "type str "),
        (66, "type bytes "),
        (67, "type error "),
        (68, "type function "),
        (69, "type shape "),
        (70, "type tensor "),
        (71, "type array "),
        (77, "code 77"),
        (128, "code 128"),
    ],
)
def test_objects_are_refused_without_a_bridge(monkeypatch: pytest.MonkeyPatch, code: int, name: str) -> None:
    monkeypatch.setattr("tondo_runtime.bridge._bridges", [])

    @SafeCall
    def makes_object(handle: int, args: int, count: int, result: int) -> int:
        del handle, args, count
        slot = AnyValue.from_address(result)
        slot.type_index = code
        slot.payload.v_ptr = 0x10  # reading it would end the process
        return 0

    with pytest.raises(RuntimeFailure, match=name) as info:
        tondo_runtime.call_native(address_of(makes_object), 0, ())
    assert info.value.code == "TND-U005"
    assert "tondo-tvm-ffi" in str(info.value.help)


@pytest.mark.parametrize("code", [10, 13, 63, -1])
def test_codes_that_no_value_has_are_refused(code: int) -> None:
    slot = AnyValue()
    slot.type_index = code
    with pytest.raises(RuntimeFailure, match=f"type code {code}") as info:
        load_value(slot)
    assert info.value.code == "TND-U005"


def test_damaged_small_text_is_refused() -> None:
    slot = AnyValue(int(TypeIndex.SMALL_STR), 8)
    with pytest.raises(RuntimeFailure, match="damaged"):
        load_value(slot)


def test_text_with_a_zero_is_refused_unless_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tondo_runtime.bridge._bridges", [])
    assert load_value(pack_args(["a\0b"]).table[0]) == "a\0b"
    with pytest.raises(RuntimeFailure, match="zero character"):
        pack_args(["a\0bcdefgh"])


@pytest.mark.parametrize("dtype", ["bool", "float16", "int64", "datetime64[s]"])
def test_addresses_of_arrays(dtype):
    array = np.zeros((2, 3), dtype)
    fixed = array.view()
    fixed.flags.writeable = False
    for each in (array, fixed, array[1:], np.zeros((0, 3), dtype), np.zeros((), dtype)):
        assert data_of(each) == each.ctypes.data
