"""Typed access to the attributes of a node; an attribute of another type than asked for is an invalid model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from tondo.diagnostics import fail

_KINDS = AttributeProto.AttributeType


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of one node, references to those of an enclosing function resolved.

    Attributes:
        label: the node, for messages.
        protos: the attributes by name.
        decode: makes an array of a tensor.
    """

    label: str
    protos: Mapping[str, AttributeProto]
    decode: Callable[[TensorProto], np.ndarray]

    def __contains__(self, name: str) -> bool:
        """Return whether attribute ``name`` is given."""
        return name in self.protos

    def _get(self, name: str, kind: int) -> AttributeProto | None:
        proto = self.protos.get(name)
        if proto is None:
            return None
        if proto.type != kind:
            self._refuse(name, f"is a {_KINDS.Name(proto.type)}, not a {_KINDS.Name(kind)}")  # type: ignore[arg-type]
        return proto

    def _refuse(self, name: str, reason: str) -> NoReturn:
        fail("TND-M004", f"attribute '{name}' of {self.label} {reason}")

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an integer; without ``default`` it must be there."""
        proto = self._get(name, AttributeProto.INT)
        if proto is None:
            return self._refuse(name, "is missing") if default is None else default
        return proto.i

    def flag(self, name: str, default: bool = False) -> bool:
        """Return an integer that means true or false, 1 or 0; engines differ in what another one means."""
        value = self.integer(name, int(default))
        if value not in {0, 1}:
            self._refuse(name, f"is {value}, not 0 or 1")
        return value == 1

    def number(self, name: str, default: float | None = None) -> float:
        """Return a float; without ``default`` it must be there."""
        proto = self.protos.get(name)
        if proto is not None and proto.type == AttributeProto.INT:
            return float(proto.i)
        proto = self._get(name, AttributeProto.FLOAT)
        if proto is None:
            return self._refuse(name, "is missing") if default is None else default
        return proto.f

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; without ``default`` it must be there."""
        proto = self._get(name, AttributeProto.STRING)
        if proto is None:
            return self._refuse(name, "is missing") if default is None else default
        return proto.s.decode("utf-8", "replace")

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return a list of texts, None if it is absent."""
        proto = self._get(name, AttributeProto.STRINGS)
        return None if proto is None else tuple(item.decode("utf-8", "replace") for item in proto.strings)

    def ints(self, name: str) -> tuple[int, ...] | None:
        """Return a list of integers, None if it is absent."""
        proto = self._get(name, AttributeProto.INTS)
        return None if proto is None else tuple(proto.ints)

    def ints_or(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """Return a list of integers or ``default``; of another length, it is an invalid model."""
        found = self.ints(name)
        if found is None:
            return tuple(default)
        if len(found) != len(default):
            self._refuse(name, f"has {len(found)} entries, not {len(default)}")
        return found

    def numbers(self, name: str) -> tuple[float, ...] | None:
        """Return a list of floats, None if it is absent."""
        proto = self._get(name, AttributeProto.FLOATS)
        return None if proto is None else tuple(proto.floats)

    def tensor(self, name: str) -> np.ndarray | None:
        """Return a tensor, None if it is absent."""
        proto = self._get(name, AttributeProto.TENSOR)
        return None if proto is None else self.decode(proto.t)

    def graph(self, name: str) -> GraphProto:
        """Return a subgraph."""
        proto = self._get(name, AttributeProto.GRAPH)
        return self._refuse(name, "is missing") if proto is None else proto.g


def attributes_of(
    node: NodeProto, label: str, outer: Mapping[str, AttributeProto], decode: Callable[[TensorProto], np.ndarray]
) -> Attributes:
    """Return the attributes of ``node``; those that refer to an attribute of the function take it from ``outer``."""
    found: dict[str, AttributeProto] = {}
    for proto in node.attribute:
        actual = proto
        if proto.ref_attr_name:
            if proto.ref_attr_name not in outer:
                continue
            actual = outer[proto.ref_attr_name]
        if actual.type == AttributeProto.UNDEFINED:
            fail("TND-M004", f"attribute '{proto.name}' of {label} has no type")
        found[proto.name] = actual
    return Attributes(label, found, decode)
