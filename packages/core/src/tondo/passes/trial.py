"""Measurements as passes see them: what a piece of the model takes on this machine, compiled as the model will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tondo.ir import IRModule
    from tondo.target.target import Target


@dataclass(frozen=True, slots=True)
class Times:
    """Best times of one call in seconds.

    Attributes:
        computing: of the kernels that compute.
        moving: of the kernels that only move elements, such as copies between arrangements.
    """

    computing: float
    moving: float


class Trials(Protocol):
    """Compiles modules with the passes that follow, and runs them in turn. Results are remembered on disk."""

    def represents(self, target: Target) -> bool:
        """Return whether what runs fast here does so on ``target``: it is this machine."""
        ...

    def times(self, modules: Sequence[IRModule], after: str) -> Sequence[Times] | None:
        """Return the times of ``main`` of each of ``modules``; None if they cannot run here.

        Args:
            modules: each with a graph function ``main`` on tensors of known sizes.
            after: the pass that asks; those after it are applied.

        Raises:
            TondoError: what compiling one of them raises.
        """
        ...
