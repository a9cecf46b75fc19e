"""Sequences and optional values: functions of the runtime work on them; what is taken out is computed with."""

from __future__ import annotations

from typing import Final

import numpy as np

from tondo.ir import BOOL, INT64, TensorType
from tondo_onnx.build.kinds import Kind, Optional, Sequence, Tensors, Texts, joined, kind_of
from tondo_onnx.build.values import Value
from tondo_onnx.converters.objects.emit import item, made, objects, rank_of
from tondo_onnx.nodes.contents import vector
from tondo_onnx.nodes.site import Site, Versions, since
from tondo_onnx.read.types import dtype_of

_FLOAT: Final = 1
_SCALAR: Final = TensorType((), INT64)


def _sequence(site: Site, position: int = 0) -> Kind | None:
    """Return the kind of the items of an input that is a sequence."""
    kind = site.arg(position).object
    if not isinstance(kind, Sequence):
        site.invalid(f"input {position} is no sequence")
    return kind.element


def _position(site: Site, index: int) -> list[Value]:
    """Return a position as an int64 scalar; nothing if it is left out."""
    given = site.optional(index)
    return [] if given is None else [site.reshape(site.cast(given, INT64), ())]


def _construct(site: Site) -> Value:
    args = site.args
    element: Kind | None = None
    for position, value in enumerate(args):
        element = value.kind if position == 0 else _same(site, element, value)
    return made(site, "sequence.make", args, Sequence(element), objects=objects(args))


def _same(site: Site, element: Kind | None, value: Value) -> Kind:
    found = joined(element, value.kind)
    if found is None:
        site.invalid(f"an item is {value.kind}, others are {element}")
    return found


def _empty(site: Site) -> Value:
    kind = site.attributes.integer("dtype", _FLOAT)
    if kind == 8:
        return made(site, "sequence.make", (), Sequence(None))
    dtype_of(kind, f"the items of {site.label}")
    return made(site, "sequence.make", (), Sequence(None))


def _insert(site: Site) -> Value:
    args = (site.arg(0), site.arg(1), *_position(site, 2))
    element = _same(site, _sequence(site), site.arg(1))
    return made(site, "sequence.insert", args, Sequence(element), objects=objects(args))


def _erase(site: Site) -> Value:
    return made(site, "sequence.erase", (site.arg(0), *_position(site, 1)), Sequence(_sequence(site)))


def _at(site: Site) -> Value:
    return item(site, "sequence.at", (site.arg(0), *_position(site, 1)), _sequence(site))


def _length(site: Site) -> Value:
    _sequence(site)
    return site.builder.packed("tondo.sequence.length", (site.arg(0),), (_SCALAR,))[0]


def _split(site: Site) -> Value:
    x, sizes = site.arg(0), site.optional(1)
    rank = rank_of(site, x)
    axis = site.axis(site.attributes.integer("axis", 0), rank)
    keep = site.attributes.flag("keepdims", True)
    inner = rank if keep or sizes is not None else rank - 1
    kind = Texts(inner) if isinstance(x.object, Texts) else Tensors(x.dtype, inner)
    args = [x]
    if sizes is not None:
        args.append(site.cast(sizes, INT64) if sizes.rank == 0 else vector(site, sizes))
    return made(site, "sequence.split", args, Sequence(kind), axis=axis, keepdims=keep, objects=objects(args))


def _concat(site: Site) -> Value:
    kind, new = _sequence(site), site.attributes.flag("new_axis")
    rank = kind.rank if isinstance(kind, (Tensors, Texts)) else None
    if rank is None:
        site.refuse("the rank of a result is unknown; declare the shapes of the items")
    axis = site.axis(site.attributes.integer("axis"), rank + new)
    result: Kind = Texts(rank + new) if isinstance(kind, Texts) else Tensors(_tensors(site, kind).dtype, rank + new)
    return item(site, "sequence.concat", (site.arg(0),), result, axis=axis, new_axis=new)


def _tensors(site: Site, kind: Kind | None) -> Tensors:
    return kind if isinstance(kind, Tensors) else site.invalid("the items are no tensors")


# -- optional values


def _optional(site: Site) -> Value:
    given = site.optional(0)
    if given is not None:
        return made(site, "optional.make", (given,), Optional(given.kind), objects=objects((given,)))
    declared = site.attributes.protos.get("type")
    kind = None if declared is None else kind_of(declared.tp, f"attribute 'type' of {site.label}")
    return made(site, "optional.make", (), Optional(kind))


def _has(site: Site) -> Value:
    given = site.optional(0)
    if given is None or not isinstance(given.object, Optional):
        return site.builder.constant(np.array(given is not None), "has_element")
    return site.builder.packed("tondo.optional.has", (given,), (TensorType((), BOOL),))[0]


def _get(site: Site) -> Value:
    given = site.arg(0)
    if not isinstance(given.object, Optional):
        return given
    return item(site, "optional.get", (given,), given.object.element)


CONVERTERS: Final[dict[str, Versions]] = {
    "SequenceConstruct": since(_construct),
    "SequenceEmpty": since(_empty),
    "SequenceInsert": since(_insert),
    "SequenceErase": since(_erase),
    "SequenceAt": since(_at),
    "SequenceLength": since(_length),
    "SplitToSequence": since(_split),
    "ConcatFromSequence": since(_concat),
    "Optional": since(_optional),
    "OptionalHasElement": since(_has),
    "OptionalGetElement": since(_get),
}
