"""Read and write the safetensors format: ``u64 header length | JSON header | tensor bytes``.

Source: https://github.com/huggingface/safetensors (format section of its README). Offsets count from the end of the
header, tensors may not overlap and may not leave holes, the header is at most 100 MB. The writer aligns every tensor
to 64 bytes (the format has no holes, so filler tensors named ``__pad__.N`` stand between odd-sized ones), hence
arrays over a mapped file can be handed to generated code as they are. Element types for which the format has no code,
such as ``int4``, are stored as the bytes that hold them; who reads them knows the type (:func:`typed`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from tondo_runtime.dtypes import DType, dtype_of, dtype_of_array
from tondo_runtime.errors import fail
from tondo_runtime.tensors import MAX_RANK, Array

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALIGNMENT = 64
MAX_HEADER = 100_000_000
PAD_PREFIX = "__pad__."
_TO_NAME = {
    "BOOL": "bool",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
}
_FROM_NAME = {name: code for code, name in _TO_NAME.items()}


class _FormatError(ValueError):
    """Something disagrees with the format."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def write_safetensors(tensors: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
    """Yield the chunks of a file with ``tensors``, sorted by name within two groups; deterministic.

    Raises:
        RuntimeFailure: TND-U003 for an element type without a safetensors code, TND-U005 for a reserved name.
    """
    header: dict[str, object] = {}
    chunks: list[bytes | memoryview] = []
    offset = 0
    for name in _order(tensors):
        array = np.ascontiguousarray(tensors[name]).reshape(np.shape(tensors[name]))
        header[name] = _describe(name, array, offset)
        chunks.append(array.reshape(-1).view(np.uint8).data if array.size else b"")
        offset += array.nbytes
        fill = -offset % ALIGNMENT
        if fill:
            header[f"{PAD_PREFIX}{len(header)}"] = {
                "dtype": "U8",
                "shape": [fill],
                "data_offsets": [offset, offset + fill],
            }
            chunks.append(bytes(fill))
            offset += fill
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-(len(text) + 8) % ALIGNMENT)
    if len(text) > MAX_HEADER:
        fail("TND-X002", f"the header of {len(tensors)} tensors is larger than {MAX_HEADER} bytes")
    yield len(text).to_bytes(8, "little") + text
    yield from chunks


def read_safetensors(data: memoryview, place: str = "weights") -> dict[str, Array]:
    """Return the tensors in ``data`` as read-only arrays over it; fillers are left out.

    Args:
        data: the whole file, for instance a mapped one.
        place: how to call the file in messages.

    Raises:
        RuntimeFailure: TND-A001 if anything disagrees with the format.
    """
    try:
        header, body = _split(data)
        entries = _entries(json.loads(bytes(header)))
        _check_layout(entries, len(body))
        return {entry.name: _array(entry, body) for entry in entries if not entry.name.startswith(PAD_PREFIX)}
    except (ValueError, RecursionError) as error:
        fail("TND-A001", f"{place} is not a valid safetensors file: {error}", help="copy or build the file again")


def typed(array: Array, dtype: DType) -> Array:
    """Return ``array`` as elements of ``dtype`` if it holds the bytes of a type that the format has no code for."""
    stored_as_bytes = array.dtype == np.uint8 and dtype.name not in _FROM_NAME
    return array.view(dtype.numpy) if stored_as_bytes else array


def _order(tensors: Mapping[str, Array]) -> list[str]:
    """Whole multiples of the alignment first: they need no filler."""
    return sorted(tensors, key=lambda name: (tensors[name].nbytes % ALIGNMENT != 0, name))


def _describe(name: str, array: Array, offset: int) -> dict[str, object]:
    if name.startswith(PAD_PREFIX) or name == "__metadata__":
        fail("TND-U005", f"the weight name '{name}' is reserved")
    dtype = dtype_of_array(array.dtype)
    if dtype is None:
        fail("TND-U003", f"the weight '{name}' has the unsupported element type '{array.dtype}'")
    return {
        "dtype": _FROM_NAME.get(dtype.name, "U8"),
        "shape": list(array.shape),
        "data_offsets": [offset, offset + array.nbytes],
    }


def _split(data: memoryview) -> tuple[memoryview, memoryview]:
    """Return the header and the tensor bytes."""
    if len(data) < 8:
        raise _FormatError("it is shorter than 8 bytes")
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER or 8 + length > len(data):
        raise _FormatError("the header length is out of range")
    return data[8 : 8 + length], data[8 + length :].toreadonly()


def _entries(header: object) -> list[_Entry]:
    if not isinstance(header, dict):
        raise _FormatError("the header is not an object")
    items = cast("dict[str, object]", header)
    return [_entry(name, value) for name, value in items.items() if name != "__metadata__"]


def _entry(name: str, value: object) -> _Entry:
    match value:
        case {"dtype": str() as code, "shape": list(), "data_offsets": [int() as begin, int() as end]}:
            shape = cast("dict[str, list[object]]", value)["shape"]
        case _:
            raise _FormatError(f"the entry {name[:64]!r} is malformed")
    if code not in _TO_NAME:
        raise _FormatError(f"the entry {name[:64]!r} has the unsupported type {code[:64]!r}")
    dims = tuple(dim for dim in shape if isinstance(dim, int) and 0 <= dim < 2**63)
    if len(dims) != len(shape) or len(dims) > MAX_RANK:
        raise _FormatError(f"the entry {name[:64]!r} has an invalid shape")
    entry = _Entry(name, _TO_NAME[code], dims, begin, end)
    count = 1
    for dim in dims:
        count *= dim
    if end - begin != count * dtype_of(entry.dtype).itemsize:
        raise _FormatError(f"the entry {name[:64]!r} has a size that disagrees with its shape")
    return entry


def _array(entry: _Entry, body: memoryview) -> Array:
    dtype = dtype_of(entry.dtype).numpy
    if entry.end == entry.begin:
        return np.zeros(entry.shape, dtype)
    return np.frombuffer(body[entry.begin : entry.end], dtype).reshape(entry.shape)


def _check_layout(entries: list[_Entry], size: int) -> None:
    position = 0
    for entry in sorted(entries, key=lambda item: (item.begin, item.end)):
        if entry.begin != position:
            raise _FormatError(f"the entry {entry.name[:64]!r} overlaps another or leaves a hole")
        position = entry.end
    if position != size:
        raise _FormatError("the tensors do not cover the file")
