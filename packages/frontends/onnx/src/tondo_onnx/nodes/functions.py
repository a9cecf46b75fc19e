"""Functions: those of the model, and those by which the ONNX standard defines operators in terms of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

import onnx
from google.protobuf.message import DecodeError
from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, TensorProto, TypeProto, helper

from tondo.diagnostics import fail
from tondo.ir import Const
from tondo_onnx.build.kinds import proto_of
from tondo_onnx.build.values import Value


class _Schema(Protocol):
    """What the type stubs of onnx leave out of ``OpSchema``."""

    has_function: bool
    has_context_dependent_function: bool
    function_body: FunctionProto

    def get_context_dependent_function(self, node: bytes, types: Sequence[bytes]) -> bytes: ...


_MAX_VERSION: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class FunctionUse:
    """A function and the attributes of the node that calls it, defaults filled in."""

    function: FunctionProto
    attributes: Mapping[str, AttributeProto]


class Functions:
    """The functions of a model."""

    def __init__(self, model: ModelProto) -> None:
        """Take the functions of ``model``.

        Raises:
            TondoError: TND-M004 if one is defined twice.
        """
        self._own: dict[tuple[str, str, str], FunctionProto] = {}
        for function in model.functions:
            key = (domain_of(function.domain), function.name, function.overload)
            if key in self._own:
                fail("TND-M004", f"the model defines function '{function.name}' twice")
            self._own[key] = function

    def find(self, node: NodeProto) -> FunctionProto | None:
        """Return the model's function that ``node`` calls, None if it calls an operator."""
        return self._own.get((domain_of(node.domain), node.op_type, node.overload))


def domain_of(domain: str) -> str:
    """Return a domain in its short form: the standard one is empty."""
    return "" if domain == "ai.onnx" else domain


def use_of(function: FunctionProto, given: Mapping[str, AttributeProto]) -> FunctionUse:
    """Return the use of ``function`` with the attributes ``given``; defaults come from the function."""
    found = {proto.name: proto for proto in function.attribute_proto}
    found.update(given)
    return FunctionUse(function, found)


def standard_function(
    node: NodeProto, version: int, inputs: Sequence[Value | None], attributes: Mapping[str, AttributeProto]
) -> FunctionUse | None:
    """Return the function by which ONNX defines the operator of ``node``; None if it does not."""
    try:
        newest = max(1, min(version, _MAX_VERSION))
        found = onnx.defs.get_schema(node.op_type, max_inclusive_version=newest, domain=domain_of(node.domain))
    except onnx.defs.SchemaError:
        return None
    schema = cast("_Schema", found)
    given = dict(attributes)
    for name, declared in found.attributes.items():
        if name not in given and declared.default_value.type != AttributeProto.UNDEFINED:
            given[name] = declared.default_value
    if schema.has_function:
        return FunctionUse(schema.function_body, given)
    if not schema.has_context_dependent_function:
        return None
    concrete = NodeProto()
    concrete.CopyFrom(node)
    del concrete.attribute[:]
    concrete.attribute.extend(attributes.values())
    types = [b"" if value is None else _type_proto(value).SerializeToString() for value in inputs]
    body = FunctionProto()
    try:
        body.ParseFromString(schema.get_context_dependent_function(concrete.SerializeToString(), types))
    except (RuntimeError, DecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else "no reason is given"
        fail("TND-M004", f"operator {node.op_type} cannot be expanded to its definition: {reason}")
    return FunctionUse(body, given) if body.node else None


def _type_proto(value: Value) -> TypeProto:
    if value.object is not None:
        return proto_of(value.object)
    kind = value.type
    shape = [int(extent.value) if isinstance(extent, Const) else None for extent in kind.dims]
    element = helper.np_dtype_to_tensor_dtype(kind.dtype.numpy)
    return helper.make_tensor_type_proto(element if element else TensorProto.FLOAT, shape)
