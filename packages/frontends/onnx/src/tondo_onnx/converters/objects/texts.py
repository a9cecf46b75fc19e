"""Tensors of texts: functions of the runtime work on them; what they find out about them are tensors of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from onnx import NodeProto, TensorProto

from tondo.diagnostics import fail
from tondo.ir import BOOL, FLOAT32, INT64
from tondo_onnx.build.builder import Builder
from tondo_onnx.build.kinds import HANDLE, Texts
from tondo_onnx.build.values import Value, handle
from tondo_onnx.converters.objects.emit import made, rank_of, tensor
from tondo_onnx.nodes.site import Converter, Site, Versions, since
from tondo_onnx.read.types import dtype_of


def texts_of(proto: TensorProto) -> tuple[str, ...]:
    """Return the contents of a tensor of texts.

    Raises:
        TondoError: TND-M004 if its shape is another.
    """
    if math.prod(proto.dims) != len(proto.string_data):
        fail("TND-M004", f"tensor '{proto.name}' holds {len(proto.string_data)} texts, its shape needs others")
    return tuple(item.decode("utf-8", "replace") for item in proto.string_data)


def text_constant(builder: Builder, values: Sequence[str], shape: Sequence[int]) -> Value:
    """Return a tensor of texts that is known."""
    attrs = {"values": tuple(values), "shape": tuple(shape)}
    return handle(builder.packed("tondo.text.constant", (), (HANDLE,), attrs)[0], Texts(len(shape)))


def _constant(site: Site) -> Value:
    proto = site.attributes.protos.get("value")
    if proto is not None:
        return text_constant(site.builder, texts_of(proto.t), tuple(proto.t.dims))
    values = site.attributes.texts("value_strings")
    if values is not None:
        return text_constant(site.builder, values, (len(values),))
    return text_constant(site.builder, (site.attributes.text("value_string"),), ())


def _wanted(site: Site, position: int) -> Value:
    value = site.arg(position)
    return value if isinstance(value.object, Texts) else site.invalid(f"input {position} holds no texts")


def _concat(site: Site) -> Value:
    args = (_wanted(site, 0), _wanted(site, 1))
    return made(site, "text.concat", args, Texts(max(rank_of(site, value) for value in args)))


def _equal(site: Site) -> Value:
    args = (_wanted(site, 0), _wanted(site, 1))
    return tensor(site, "text.equal", args, BOOL, max(rank_of(site, value) for value in args))


def _match(site: Site) -> Value:
    x = _wanted(site, 0)
    return tensor(site, "text.match", (x,), BOOL, rank_of(site, x), pattern=site.attributes.text("pattern"))


def _split(site: Site) -> tuple[Value, Value]:
    x = _wanted(site, 0)
    rank = rank_of(site, x)
    attrs = {"delimiter": site.attributes.text("delimiter", ""), "most": site.attributes.integer("maxsplit", -1)}
    parts = made(site, "text.split", (x,), Texts(rank + 1), **attrs)
    return parts, tensor(site, "text.parts", (x,), INT64, rank, **attrs)


def _normalize(site: Site) -> Value:
    x, attributes = _wanted(site, 0), site.attributes
    case = attributes.text("case_change_action", "NONE")
    if case not in {"NONE", "LOWER", "UPPER"}:
        site.invalid(f"case_change_action is '{case}'")
    return made(
        site, "text.normalize", (x,), Texts(rank_of(site, x)), case=case, stopwords=attributes.texts("stopwords") or (),
        sensitive=attributes.flag("is_case_sensitive"),
    )  # fmt: skip


def _cast(site: Site) -> Value:
    x, target = site.arg(0), site.attributes.integer("to")
    if target == TensorProto.STRING:
        return x if x.object is not None else made(site, "text.format", (x,), Texts(x.rank))
    kind = dtype_of(target, f"the result of {site.label}")
    if not (kind.is_integer or kind.is_float):
        site.refuse(f"texts as {kind}")
    wide = kind if kind.is_integer else FLOAT32 if kind.bits <= FLOAT32.bits else kind
    return site.cast(tensor(site, "text.parse", (x,), wide, rank_of(site, _wanted(site, 0)), element=str(wide)), kind)


# -- labels


def _listed(site: Site, stem: str) -> tuple[str, ...] | np.ndarray:
    """Return the keys or values of LabelEncoder, whichever attribute holds them."""
    attributes = site.attributes
    found = attributes.texts(f"{stem}_strings")
    if found is not None:
        return found
    tensor_proto = attributes.protos.get(f"{stem}_tensor")
    if tensor_proto is not None and tensor_proto.t.data_type == TensorProto.STRING:
        return texts_of(tensor_proto.t)
    if tensor_proto is not None:
        return np.asarray(attributes.tensor(f"{stem}_tensor")).reshape(-1)
    if f"{stem}_int64s" in attributes:
        return np.array(attributes.ints(f"{stem}_int64s"), np.int64)
    return np.array(attributes.numbers(f"{stem}_floats") or (), np.float32)


def _default(site: Site, values: tuple[str, ...] | np.ndarray) -> str | np.ndarray:
    proto = site.attributes.protos.get("default_tensor")
    if isinstance(values, tuple):
        return texts_of(proto.t)[0] if proto is not None else site.attributes.text("default_string", "_Unused")
    if proto is not None:
        return np.asarray(site.attributes.tensor("default_tensor")).reshape(-1)[:1]
    if values.dtype.kind == "i":
        return np.array([site.attributes.integer("default_int64", -1)])
    return np.array([site.attributes.number("default_float", -0.0)])


def _label_encoder(site: Site) -> Value:
    """Keys are looked up, or compared with, and values picked by their positions; position 0 is that of the default."""
    x, keys, values = site.arg(0), _listed(site, "keys"), _listed(site, "values")
    if len(keys) != len(values):
        site.invalid(f"there are {len(keys)} keys and {len(values)} values")
    places = _places(site, x, keys)
    default = _default(site, values)
    if isinstance(values, tuple):
        return made(site, "text.pick", (places,), Texts(places.rank), values=(str(default), *values))
    table = np.concatenate([np.asarray(default).astype(values.dtype), values])
    return site.call("gather", site.builder.constant(table, "values"), places, axis=0)


def _places(site: Site, x: Value, keys: tuple[str, ...] | np.ndarray) -> Value:
    """Return which key each element is, counted from 1; 0 for none."""
    if isinstance(keys, tuple):
        return tensor(site, "text.find", (_wanted(site, 0),), INT64, rank_of(site, x), keys=keys)
    hits = site.call(
        "equal", site.call("unsqueeze", x, axes=(x.rank,)), site.builder.constant(keys.astype(x.dtype.numpy), "keys")
    )
    numbers = site.call("where", hits, site.vector(range(1, len(keys) + 1)), site.vector([0]))
    return site.call("reduce_max", numbers, axes=(x.rank,), keepdims=False)


def _one_hot(site: Site) -> Value:
    """A text that is no category has no 1 anywhere."""
    categories = site.attributes.texts("cats_strings")
    if categories is None:
        site.refuse("categories of numbers for texts")
    found = tensor(site, "text.find", (_wanted(site, 0),), INT64, rank_of(site, site.arg(0)), keys=categories)
    cells = site.call("unsqueeze", found, axes=(found.rank,))
    return site.cast(site.call("equal", cells, site.vector(range(1, len(categories) + 1))), FLOAT32)


def _category_mapper(site: Site) -> Value:
    keys, numbers = site.attributes.texts("cats_strings") or (), site.attributes.ints("cats_int64s") or ()
    x = site.arg(0)
    if x.object is None:
        places = _places(site, x, np.array(numbers, np.int64))
        default = site.attributes.text("default_string", "_Unused")
        return made(site, "text.pick", (places,), Texts(x.rank), values=(default, *keys))
    places = _places(site, x, keys)
    table = np.array([site.attributes.integer("default_int64", -1), *numbers], np.int64)
    return site.call("gather", site.builder.constant(table, "values"), places, axis=0)


# -- which nodes work on texts


def _string_constant(node: NodeProto) -> bool:
    return any(
        proto.name in {"value_string", "value_strings"}
        or (proto.name == "value" and proto.t.data_type == TensorProto.STRING)
        for proto in node.attribute
    )


def _string_labels(node: NodeProto) -> bool:
    return any(
        proto.name in {"keys_strings", "values_strings", "classes_strings", "cats_strings"}
        or (proto.name in {"keys_tensor", "values_tensor"} and proto.t.data_type == TensorProto.STRING)
        for proto in node.attribute
    )


def _to_string(node: NodeProto) -> bool:
    return any(proto.name == "to" and proto.i == TensorProto.STRING for proto in node.attribute)


MAKERS: Final[Mapping[str, Callable[[NodeProto], bool]]] = {
    "Constant": _string_constant, "LabelEncoder": _string_labels, "OneHotEncoder": _string_labels, "Cast": _to_string,
}  # fmt: skip
"""Operators that work on texts if their attributes say so, or if they are given some."""

FORMS: Final[Mapping[str, Converter]] = {
    "Constant": _constant, "LabelEncoder": _label_encoder, "OneHotEncoder": _one_hot, "Cast": _cast, "Equal": _equal,
}  # fmt: skip

CONVERTERS: Final[dict[str, Versions]] = {
    "StringConcat": since(_concat),
    "StringSplit": since(_split),
    "StringNormalizer": since(_normalize),
    "RegexFullMatch": since(_match),
    "CategoryMapper": since(_category_mapper),
}
