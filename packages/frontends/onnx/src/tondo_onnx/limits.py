"""Limits on what a model may ask for, checked before anything is allocated or walked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, NoReturn

from tondo.diagnostics import fail, suggest
from tondo.ir import Const, TensorType

_LARGEST: Final = (1 << 62) - 1
"""Bytes of a tensor: sums and offsets of a few such numbers still fit 64 bits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on the size of a model; exceeding one raises TND-X002.

    Attributes:
        file_bytes: size of the model file, external data not counted (a protobuf message holds less than 2 GiB).
        nodes: number of converted nodes, those of functions counted at each use.
        rank: dimensions of a tensor.
        dim: size of one dimension.
        elements: elements of one constant tensor.
        nesting: depth of subgraphs and function calls inside one another.
        folded_bytes: bytes of all constants and known values that are made at import, those of the model not counted.
        sizes: sizes that one tensor computes in a call, such as those of a shape.
        known_elements: elements of a tensor whose values are followed at import (shapes and small constants).
    """

    file_bytes: int = (1 << 31) - 1
    nodes: int = 500_000
    rank: int = 16
    dim: int = 1 << 40
    elements: int = 1 << 36
    nesting: int = 32
    folded_bytes: int = 1 << 30
    sizes: int = 64
    known_elements: int = 4096


def exceed(what: str, value: int, limits: Limits, name: str, *notes: str) -> NoReturn:
    """Raise TND-X002: ``what`` is ``value``, more than the limit ``name`` of ``limits``."""
    fail(
        "TND-X002",
        f"{what} is {value}, the limit is {getattr(limits, name)}",
        notes=notes,
        help=f"if the model is trusted, raise the limit: --limit {name}={value} on the command line, or "
        f"model: {{options: {{limits: {{{name}: {value}}}}}}} in the pipeline file",
    )


def check_size(type_: TensorType, what: str) -> None:
    """Refuse a negative dimension, and a known shape whose size in bytes generated code cannot compute with.

    Raises:
        TondoError: TND-M004 for a negative dimension, TND-X003 for too large a size.
    """
    shape = [int(dim.value) for dim in type_.dims if isinstance(dim, Const)]
    if any(size < 0 for size in shape):
        fail("TND-M004", f"{what} has a negative dimension: {min(shape)}")
    if len(shape) == len(type_.dims) and math.prod(shape) * type_.dtype.bytes > _LARGEST:
        fail("TND-X003", f"the size of {what}, {shape}, does not fit 64 bits", help="use smaller dimensions")


def changed(limits: Limits, given: object) -> Limits:
    """Return ``limits`` with those replaced that the option ``limits`` names.

    Raises:
        TondoError: TND-C002 for a name that is not one, TND-C001 for what is no positive number.
    """
    if given is None:
        return limits
    if not isinstance(given, Mapping):
        fail("TND-C001", "the option 'limits' must map names to numbers")
    known = [entry.name for entry in fields(Limits)]
    values: dict[str, int] = {}
    for key, value in given.items():  # pyright: ignore[reportUnknownVariableType]
        name = str(key)  # pyright: ignore[reportUnknownArgumentType]
        if name not in known:
            fail("TND-C002", f"there is no limit '{name}'", help=suggest(name, known))
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            fail("TND-C001", f"the limit '{name}' must be a positive number, not {value!r}")
        values[name] = value
    return replace(limits, **values)
