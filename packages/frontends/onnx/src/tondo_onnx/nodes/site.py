"""A node where it is converted: what a converter sees of it, and how it emits operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

import numpy as np
from onnx import GraphProto

from tondo.diagnostics import fail
from tondo.ir import BOOL, Const, DType, Expr, as_expr, is_const
from tondo_onnx.build.builder import Builder
from tondo_onnx.build.dims import Dimensions, plains, static
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.attributes import Attributes
from tondo_onnx.problems import Unsupported


@dataclass(slots=True)
class Site:
    """One node.

    Attributes:
        op: operator type.
        version: operator-set version of its domain.
        label: the node, for messages.
        inputs: its inputs; None for one that is left out.
        outputs: names of its outputs, empty for one that is left out.
        attributes: its attributes.
        builder: where operators are emitted.
        inline: converts a subgraph in place for values of its inputs, returns its results.
    """

    op: str
    version: int
    label: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[str, ...]
    attributes: Attributes
    builder: Builder
    inline: Callable[[GraphProto, Sequence[Value]], tuple[Value, ...]]

    @property
    def dims(self) -> Dimensions:
        """Arithmetic on dimensions."""
        return self.builder.dims

    # -- inputs

    def arg(self, position: int) -> Value:
        """Return an input that must be there."""
        value = self.optional(position)
        if value is None:
            self.invalid(f"input {position} is missing")
        return value

    def optional(self, position: int) -> Value | None:
        """Return an input that may be left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    @property
    def args(self) -> tuple[Value, ...]:
        """All inputs; none may be left out."""
        return tuple(self.arg(position) for position in range(len(self.inputs)))

    def wants(self, position: int) -> bool:
        """Return whether output ``position`` is used."""
        return position < len(self.outputs) and self.outputs[position] != ""

    # -- known contents

    def numbers(self, position: int) -> np.ndarray:
        """Return the contents of an input that must be known at import."""
        found = self.arg(position).numbers
        if found is None:
            self.refuse(f"input {position} must be a constant")
        return found

    def number(self, position: int) -> float | int | bool:
        """Return the only element of an input that must be known at import."""
        found = self.numbers(position)
        if found.size != 1:
            self.invalid(f"input {position} must have one element, it has {found.size}")
        item: float | int | bool = found.reshape(-1)[0].item()
        return item

    def ints(self, position: int) -> tuple[int, ...]:
        """Return the integers of a vector input that must be known at import."""
        return tuple(int(item) for item in self.numbers(position).reshape(-1))

    def sizes(self, position: int) -> tuple[Expr, ...]:
        """Return the elements of an integer input: numbers, expressions of dimensions, or new dimensions for data."""
        return self.sizes_in(self.arg(position))

    def size(self, position: int) -> Expr:
        """Return the only element of an integer input as a size, as :meth:`sizes` does."""
        found = self.arg(position)
        known = static(found.dims)
        if known is None or math.prod(known) != 1:
            self.invalid(f"input {position} must have one element")
        return self.sizes(position)[0]

    def want_rank(self, position: int, rank: int) -> None:
        """Raise TND-M004 for an input that is given and has another rank."""
        found = self.optional(position)
        if found is not None and found.rank != rank:
            self.invalid(f"input {position} has rank {found.rank}, not {rank}")

    def sizes_in(self, value: Value) -> tuple[Expr, ...]:
        """Return the elements of an integer tensor of rank 0 or 1 as sizes; a negative one fails at run time."""
        if value.elements is None:
            if not value.dtype.is_integer or static(value.dims) is None or value.rank > 1:
                self.refuse("the rank of a result depends on data")
            return self.builder.bind(value)
        return tuple(
            as_expr(item) if isinstance(item, Expr) else Const(int(item)) for item in value.elements.reshape(-1)
        )

    def axes(self, position: int) -> tuple[int, ...] | None:
        """Return axes, from the attribute or (newer versions) the input ``position``; None if there are none."""
        if "axes" in self.attributes:
            return self.attributes.ints("axes")
        value = self.optional(position)
        if value is not None and any(is_const(extent, 0) for extent in value.dims):
            return ()  # an input without elements is known, whoever makes it
        return None if value is None else self.ints(position)

    # -- emission

    def call(self, op: str, *args: Value, **attrs: object) -> Value:
        """Emit an operator with one result."""
        (result,) = self.builder.call(op, args, attrs)
        return result

    def call_many(self, op: str, args: Sequence[Value], results: int, **attrs: object) -> tuple[Value, ...]:
        """Emit an operator with several results."""
        return self.builder.call(op, args, attrs, results)

    def reshape(self, value: Value, shape: Sequence[Expr | int]) -> Value:
        """Return ``value`` with another shape; itself if that is what it has."""
        wanted = tuple(as_expr(extent) for extent in shape)
        if len(wanted) == value.rank and all(self.dims.same(a, b) for a, b in zip(wanted, value.dims, strict=True)):
            return value
        return self.call("reshape", value, shape=plains(wanted))

    def cast(self, value: Value, kind: DType) -> Value:
        """Return ``value`` converted to ``kind``; itself if it has that type."""
        return value if value.dtype == kind else self.call("cast", value, dtype=kind)

    def scalar(self, number: float | bool, kind: DType) -> Value:
        """Return a constant of rank 0."""
        return self.builder.scalar(number, kind)

    def vector(self, numbers: Sequence[int]) -> Value:
        """Return a constant int64 vector."""
        return self.builder.constant(np.array(numbers, np.int64).reshape(-1), "vector")

    def fill(self, shape: Sequence[Expr], value: float | bool, kind: DType = BOOL) -> Value:
        """Return a tensor of equal elements."""
        return self.call("fill", shape=plains(shape), value=value, dtype=kind)

    def sizes_of(self, value: Value) -> Value:
        """Return the shape of ``value`` as an int64 vector."""
        return self.builder.sizes(value.dims, f"{value.hint}_shape")

    # -- refusal

    def refuse(self, reason: str) -> NoReturn:
        """Raise Unsupported: the operator is known, this use of it is not."""
        raise Unsupported(reason)

    def invalid(self, reason: str) -> NoReturn:
        """Raise TND-M004: the node breaks the rules of ONNX."""
        fail("TND-M004", f"{self.label}: {reason}")

    def axis(self, axis: int, rank: int) -> int:
        """Return ``axis`` as an index in ``0 .. rank-1``."""
        if not -rank <= axis < rank:
            self.invalid(f"axis {axis} is out of range for rank {rank}")
        return axis % rank


Converter: TypeAlias = Callable[[Site], "Value | Sequence[Value | None]"]
Versions: TypeAlias = "tuple[tuple[int, Converter], ...]"


def since(*steps: Converter | int) -> Versions:
    """Return the converters of an operator: ``since(1, first, 13, second)``; a sole converter counts from version 1."""
    if len(steps) == 1:
        steps = (1, *steps)
    found: list[tuple[int, Converter]] = []
    for version, converter in zip(steps[::2], steps[1::2], strict=True):
        if not isinstance(version, int) or isinstance(converter, int):
            raise TypeError(steps)
        found.append((version, converter))
    return tuple(found)
