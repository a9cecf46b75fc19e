"""Kinds of values that are no tensors: texts, sequences, optional values.

In the graph such a value is its handle, an int64 tensor without dimensions, which functions of the runtime take and
return (:mod:`tondo_runtime.objects`). What it stands for is known at import only: a tree of the classes below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from onnx import TensorProto, TypeProto, helper

from tondo.ir import INT64, DType, TensorType
from tondo_onnx.read.types import dtype_of

HANDLE: Final = TensorType((), INT64)


@dataclass(frozen=True, slots=True)
class Tensors:
    """A tensor inside of a sequence or optional value; ``rank`` None: unknown."""

    dtype: DType
    rank: int | None = None

    def __str__(self) -> str:
        """Return the element type."""
        return str(self.dtype)


@dataclass(frozen=True, slots=True)
class Texts:
    """A tensor of texts."""

    rank: int | None = None

    def __str__(self) -> str:
        """Return what the runtime calls it."""
        return "text"


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence of values of one kind; None: empty so far."""

    element: Kind | None

    def __str__(self) -> str:
        """Return what the runtime calls it."""
        return f"seq({self.element or 'float32'})"


@dataclass(frozen=True, slots=True)
class Optional:
    """A value or none; None: a kind that nobody named."""

    element: Kind | None

    def __str__(self) -> str:
        """Return what the runtime calls it."""
        return f"opt({self.element or 'float32'})"


Kind: TypeAlias = "Tensors | Texts | Sequence | Optional"
Object: TypeAlias = "Texts | Sequence | Optional"


def kind_of(proto: TypeProto, what: str) -> Kind | None:
    """Return the kind that a model declares; None for maps, sparse tensors and values without a type."""
    match proto.WhichOneof("value"):
        case "tensor_type":
            tensor = proto.tensor_type
            rank = len(tensor.shape.dim) if tensor.HasField("shape") else None
            if tensor.elem_type == TensorProto.STRING:
                return Texts(rank)
            return Tensors(dtype_of(tensor.elem_type, what), rank) if tensor.elem_type else None
        case "sequence_type":
            return Sequence(kind_of(proto.sequence_type.elem_type, what))
        case "optional_type":
            return Optional(kind_of(proto.optional_type.elem_type, what))
        case _:
            return None


def object_of(proto: TypeProto, what: str) -> Object | None:
    """Return the kind of a value that is no tensor; None for all others."""
    tensor = proto.WhichOneof("value") == "tensor_type" and proto.tensor_type.elem_type != TensorProto.STRING
    kind = None if tensor else kind_of(proto, what)
    return None if isinstance(kind, Tensors) else kind


def proto_of(kind: Kind | None) -> TypeProto:
    """Return the declaration of a kind."""
    match kind:
        case Texts():
            return helper.make_tensor_type_proto(TensorProto.STRING, _shape(kind.rank))
        case Sequence():
            return helper.make_sequence_type_proto(proto_of(kind.element))
        case Optional():
            return helper.make_optional_type_proto(proto_of(kind.element))
        case Tensors():
            return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(kind.dtype.numpy), _shape(kind.rank))
        case None:
            return helper.make_tensor_type_proto(TensorProto.FLOAT, None)


def _shape(rank: int | None) -> list[None] | None:
    return None if rank is None else [None] * rank


def joined(a: Kind | None, b: Kind | None) -> Kind | None:
    """Return the kind of a value that is one of both; None if there is none, or if nothing is known of both.

    An optional value that is no tensor is stored as the value itself, so it joins with one.
    """
    match a, b:
        case None, _:
            return b
        case _, None:
            return a
        case Tensors(), Tensors() if a.dtype == b.dtype:
            return a if a.rank == b.rank else replace(a, rank=None)
        case Texts(), Texts():
            return a if a.rank == b.rank else Texts()
        case Sequence(), Sequence():
            return Sequence(joined(a.element, b.element))
        case Optional(), Optional():
            return Optional(joined(a.element, b.element))
        case Optional(), (Texts() | Sequence()):
            return None if joined(a.element, b) is None else Optional(joined(a.element, b))
        case ((Texts() | Sequence()), Optional()):
            return joined(b, a)
        case _:
            return None
