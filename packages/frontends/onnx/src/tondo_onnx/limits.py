"""Limits on what a model may ask for, checked before anything is allocated or walked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from tondo.diagnostics import fail


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
        known_elements: elements of a tensor whose values are followed at import (shapes and small constants).
    """

    file_bytes: int = (1 << 31) - 1
    nodes: int = 500_000
    rank: int = 16
    dim: int = 1 << 40
    elements: int = 1 << 36
    nesting: int = 32
    known_elements: int = 4096


def exceed(what: str, value: int, limit: int, *notes: str) -> NoReturn:
    """Raise TND-X002: ``what`` is ``value``, more than ``limit``."""
    fail(
        "TND-X002",
        f"{what} is {value}, the limit is {limit}",
        notes=notes,
        help="if the model is trusted, raise the limit: OnnxFrontend(limits=Limits(...))",
    )
