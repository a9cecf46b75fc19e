"""ONNX element types and their counterparts."""

from __future__ import annotations

from typing import Final

from onnx import TensorProto

from tondo.diagnostics import fail
from tondo.ir import DType, dtype

_NAMES: Final[dict[int, str]] = {
    TensorProto.FLOAT: "float32", TensorProto.UINT8: "uint8", TensorProto.INT8: "int8", TensorProto.UINT16: "uint16",
    TensorProto.INT16: "int16", TensorProto.INT32: "int32", TensorProto.INT64: "int64", TensorProto.BOOL: "bool",
    TensorProto.FLOAT16: "float16", TensorProto.DOUBLE: "float64", TensorProto.UINT32: "uint32",
    TensorProto.UINT64: "uint64", TensorProto.COMPLEX64: "complex64", TensorProto.COMPLEX128: "complex128",
    TensorProto.BFLOAT16: "bfloat16", TensorProto.FLOAT8E4M3FN: "float8_e4m3fn",
    TensorProto.FLOAT8E4M3FNUZ: "float8_e4m3fnuz", TensorProto.FLOAT8E5M2: "float8_e5m2",
    TensorProto.FLOAT8E5M2FNUZ: "float8_e5m2fnuz", TensorProto.UINT4: "uint4", TensorProto.INT4: "int4",
}  # fmt: skip
_ADDED: Final = {
    "UINT2": "uint2", "INT2": "int2", "FLOAT4E2M1": "float4_e2m1fn", "FLOAT8E8M0": "float8_e8m0fnu",
}  # fmt: skip
_NAMES.update({int(getattr(TensorProto, key)): value for key, value in _ADDED.items() if hasattr(TensorProto, key)})


def type_name(elem_type: int) -> str:
    """Return what ONNX calls an element type."""
    return TensorProto.DataType.Name(elem_type) if elem_type in TensorProto.DataType.values() else str(elem_type)  # type: ignore[arg-type]


def known_dtype(elem_type: int) -> DType | None:
    """Return the counterpart of an ONNX element type; None if there is none."""
    name = _NAMES.get(elem_type)
    return None if name is None else dtype(name)


def dtype_of(elem_type: int, what: str) -> DType:
    """Return the counterpart of an ONNX element type; ``what`` has it.

    Raises:
        TondoError: TND-M005 if there is none.
    """
    found = known_dtype(elem_type)
    if found is None:
        fail(
            "TND-M005",
            f"{what} has element type {type_name(elem_type)}, which has no counterpart",
            notes=["supported are bool, integers of 2 to 64 bits, floats of 4 to 64 bits and bfloat16"],
        )
    return found
