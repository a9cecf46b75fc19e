"""Tensors of a model as arrays: every dtype, every storage form, nothing copied that need not be.

The lengths of all storage forms are checked against the shape before anything is made of them. External data comes
from :class:`~tondo_onnx.read.files.ModelFiles` only.
"""

from __future__ import annotations

import math
import sys
from typing import NoReturn

import numpy as np
from onnx import TensorProto, numpy_helper

from tondo.diagnostics import fail
from tondo.ir import DType
from tondo_onnx.limits import Limits, exceed
from tondo_onnx.read.files import ModelFiles
from tondo_onnx.read.types import dtype_of

_BYTE_BITS = 8


def array_of(tensor: TensorProto, files: ModelFiles, limits: Limits) -> np.ndarray:
    """Return the contents of ``tensor``; raw and external data stay where they are (read-only views).

    Raises:
        TondoError: TND-M005 for element types without a counterpart, TND-M004 for contents that do not match the
            shape, TND-M002, TND-X001 for external data that cannot be read, TND-X002 beyond the limits.
    """
    name = f"tensor '{tensor.name}'"
    kind = dtype_of(tensor.data_type, name)
    shape = _shape(tensor, limits)
    if tensor.HasField("segment"):
        fail("TND-M003", f"{name} is stored in segments", help="save the model again with a current exporter")
    if tensor.data_location == TensorProto.EXTERNAL:
        return _decode(_external(tensor, kind, math.prod(shape), files), kind, shape, name)
    if tensor.HasField("raw_data"):
        return _decode(np.frombuffer(tensor.raw_data, np.uint8), kind, shape, name)
    return _typed(tensor, kind, shape, name)


def external_place(tensor: TensorProto) -> tuple[str, int, int | None]:
    """Return location, offset and length (None: the rest) of a tensor stored outside of the model."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if "location" not in entries:
        fail("TND-M004", f"tensor '{tensor.name}' is stored externally, but its location is missing")
    return (
        entries["location"],
        _count(tensor, entries.get("offset", "0")),
        (_count(tensor, entries["length"]) if "length" in entries else None),
    )


def _count(tensor: TensorProto, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        fail("TND-M004", f"tensor '{tensor.name}' has the external offset or length {text[:40]!r}")
    return int(text)


def _shape(tensor: TensorProto, limits: Limits) -> tuple[int, ...]:
    shape = tuple(tensor.dims)
    if len(shape) > limits.rank:
        exceed(f"the rank of tensor '{tensor.name}'", len(shape), limits, "rank")
    for size in shape:
        if size < 0:
            fail("TND-M004", f"tensor '{tensor.name}' has the negative dimension {size}")
        if size > limits.dim:
            exceed(f"a dimension of tensor '{tensor.name}'", size, limits, "dim")
    if math.prod(shape) > limits.elements:
        exceed(f"the number of elements of tensor '{tensor.name}'", math.prod(shape), limits, "elements")
    return shape


def _external(tensor: TensorProto, kind: DType, count: int, files: ModelFiles) -> np.ndarray:
    location, offset, length = external_place(tensor)
    wanted = _bytes(kind, count)
    if length is not None and length != wanted:
        _mismatch(f"tensor '{tensor.name}'", f"{length} bytes of external data", f"{wanted} bytes")
    return files.read(location, offset, wanted)


def _bytes(kind: DType, count: int) -> int:
    return -(-count * kind.bits // _BYTE_BITS)


def _decode(data: np.ndarray, kind: DType, shape: tuple[int, ...], name: str) -> np.ndarray:
    count = math.prod(shape)
    if data.size != _bytes(kind, count):
        _mismatch(name, f"{data.size} bytes of data", f"{_bytes(kind, count)} bytes")
    if kind.bits < _BYTE_BITS:
        return _unpack(data, kind, count).reshape(shape)
    typed = data.view(kind.numpy) if data.size else np.empty(0, kind.numpy)
    return (typed if sys.byteorder == "little" else typed.byteswap()).reshape(shape)


def _unpack(data: np.ndarray, kind: DType, count: int) -> np.ndarray:
    """Return ``count`` numbers of less than a byte, the first in the low bits."""
    per_byte = _BYTE_BITS // kind.bits
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(kind.bits)
    fields = ((data[:, None] >> shifts) & np.uint8((1 << kind.bits) - 1)).reshape(-1)[:count]
    if kind.kind == "uint":
        return fields.astype(kind.numpy)
    sign = np.int8(1 << (kind.bits - 1))
    return ((fields.astype(np.int8) ^ sign) - sign).astype(kind.numpy)


def _typed(tensor: TensorProto, kind: DType, shape: tuple[int, ...], name: str) -> np.ndarray:
    count = math.prod(shape)
    field = _FIELDS.get(str(kind), "int32_data")
    per_entry = {"complex": 0.5}.get(kind.kind, max(1, _BYTE_BITS // kind.bits) if kind.bits < _BYTE_BITS else 1)
    stored = len(getattr(tensor, field))
    if stored != math.ceil(count / per_entry):
        _mismatch(name, f"{stored} entries of {field}", f"{math.ceil(count / per_entry)} entries")
    try:
        array = np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError, OverflowError) as error:
        fail("TND-M004", f"{name} cannot be decoded: {error}")
    return array.astype(kind.numpy, copy=False).reshape(shape)


_FIELDS = {
    "float32": "float_data", "complex64": "float_data", "float64": "double_data", "complex128": "double_data",
    "int64": "int64_data", "uint32": "uint64_data", "uint64": "uint64_data",
}  # fmt: skip


def _mismatch(name: str, got: str, wanted: str) -> NoReturn:
    fail(
        "TND-M004",
        f"{name} holds {got}, its shape needs {wanted}",
        help="the exporter wrote a damaged tensor; export again",
    )
