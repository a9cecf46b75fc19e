"""The safetensors reader and writer, also against the reference implementation where installed."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo_runtime import RuntimeFailure
from tondo_runtime.dtypes import dtype_of
from tondo_runtime.safetensors import read_safetensors, typed, write_safetensors

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


def blob(tensors: dict[str, np.ndarray]) -> bytes:
    return b"".join(bytes(chunk) for chunk in write_safetensors(tensors))


@st.composite
def tensor_sets(draw: st.DrawFn) -> dict[str, np.ndarray]:
    names = draw(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=6))
    result = {}
    for name in names:
        shape = draw(st.lists(st.integers(0, 5), max_size=3))
        seed = draw(st.integers(0, 1000))
        data = np.random.default_rng(seed).integers(0, 2, shape)
        result[name] = data.astype(draw(st.sampled_from(DTYPES)))
    return result


@settings(derandomize=True, deadline=None, max_examples=100)
@given(tensors=tensor_sets())
def test_round_trip_aligned(tensors: dict[str, np.ndarray]) -> None:
    data = blob(tensors)
    back = read_safetensors(memoryview(data))
    assert set(back) == set(tensors)
    base = np.frombuffer(data, np.uint8).ctypes.data
    for name, array in tensors.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)
        if array.size:
            assert (back[name].ctypes.data - base) % 64 == 0


def test_reference_implementation_reads_ours_and_we_read_its() -> None:
    reference = pytest.importorskip("safetensors.numpy")
    tensors = {"a": np.arange(7, dtype=np.float32), "b.c": np.ones((3, 16), np.int64), "z": np.zeros((0, 2), np.uint8)}
    theirs = reference.load(blob(tensors))
    ours = read_safetensors(memoryview(reference.save(tensors)))
    for name, array in tensors.items():
        np.testing.assert_array_equal(theirs[name], array)
        np.testing.assert_array_equal(ours[name], array)


def test_bfloat16_survives_with_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.arange(9).astype(ml_dtypes.bfloat16)
    back = read_safetensors(memoryview(blob({"w": array})))["w"]
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back.view(np.uint16), array.view(np.uint16))


def make(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def entry(dtype: object = "F32", shape: object = (2,), begin: object = 0, end: object = 8) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        struct.pack("<Q", 2**63),
        struct.pack("<Q", 100_000_001) + b"{}",
        struct.pack("<Q", 2) + b"{",
        make([]),
        make({"a": 1}),
        make({"a": entry(dtype="X9")}, bytes(8)),
        make({"a": entry(shape=[-2])}, bytes(8)),
        make({"a": entry(shape=[2.0])}, bytes(8)),
        make({"a": entry(shape=[1] * 65)}, bytes(8)),
        make({"a": entry(end=12)}, bytes(12)),
        make({"a": entry(begin=4, end=12)}, bytes(12)),
        make({"a": entry()}, bytes(9)),
        make({"a": entry()}, bytes(7)),
        make({"a": entry(), "b": entry()}, bytes(8)),
        make({"a": entry(shape=[2**40, 2**40], end=2**82)}, bytes(8)),
        make({"a": entry(begin=-8, end=0)}, bytes(8)),
        make({"a": entry(shape=[0, 2**62, 2**62], end=0)}),
    ],
)
def test_malformed_files_are_refused(data: bytes) -> None:
    with pytest.raises(RuntimeFailure) as info:
        read_safetensors(memoryview(data))
    assert info.value.code == "TND-A001"


@settings(derandomize=True, deadline=None, max_examples=200)
@given(position=st.integers(0, 200), value=st.integers(0, 255))
def test_a_changed_byte_never_breaks_the_reader(position: int, value: int) -> None:
    data = bytearray(blob({"a": np.arange(4, dtype=np.float32), "b": np.ones(16, np.float32)}))
    data[position] = value
    code = None
    try:
        read_safetensors(memoryview(data))
    except RuntimeFailure as failure:
        code = failure.code
    assert code in {None, "TND-A001"}


def test_reserved_names_and_foreign_types_are_not_written() -> None:
    with pytest.raises(RuntimeFailure, match="reserved"):
        blob({"__metadata__": np.zeros(1)})
    with pytest.raises(RuntimeFailure, match="complex64"):
        blob({"w": np.zeros(1, np.complex64)})


@pytest.mark.parametrize("name", ["int4", "uint2", "float4_e2m1fn", "float8_e4m3fnuz"])
def test_types_without_a_code_are_stored_as_bytes(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([1, 0, 1]).astype(getattr(ml_dtypes, name))
    back = read_safetensors(memoryview(blob({"w": array})))["w"]
    assert back.dtype == np.uint8
    assert typed(back, dtype_of(name)).dtype == array.dtype
    np.testing.assert_array_equal(typed(back, dtype_of(name)), array)
    plain = np.arange(3, dtype=np.uint8)
    assert typed(plain, dtype_of("uint8")) is plain
