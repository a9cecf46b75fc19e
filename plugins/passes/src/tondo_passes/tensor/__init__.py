"""Passes on tensor functions, in the order of the standard pipeline.

blocks -> loops (:mod:`lower_blocks`), compact buffers (:mod:`compact_buffers`), workspace parameters
(:mod:`lift_workspace`), one-dimensional memory (:mod:`flatten`), vectors (:mod:`vectorize`), each followed by
:mod:`simplify` where it leaves something to simplify.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tondo_passes.tensor.compact_buffers import CompactBuffers
from tondo_passes.tensor.each import TensorPass
from tondo_passes.tensor.flatten import Flatten
from tondo_passes.tensor.lift_workspace import LiftWorkspace
from tondo_passes.tensor.lower_blocks import LowerBlocks
from tondo_passes.tensor.simplify import Simplify
from tondo_passes.tensor.vectorize import Vectorize

if TYPE_CHECKING:
    from tondo.ir import TensorFunction

__all__ = [
    "LOWERING",
    "CompactBuffers",
    "Flatten",
    "LiftWorkspace",
    "LowerBlocks",
    "Simplify",
    "TensorPass",
    "Vectorize",
    "lower_function",
]

LOWERING: Final[tuple[TensorPass, ...]] = (
    LowerBlocks(),
    Simplify(),
    CompactBuffers(),
    LiftWorkspace(),
    Flatten(),
    Vectorize(),
    Simplify(),
)
"""The standard lowering of a scheduled (or unscheduled) tensor function to what code generators take."""


def lower_function(function: TensorFunction) -> TensorFunction:
    """Return ``function`` through all of :data:`LOWERING`; what it allocates beyond the stack becomes parameters."""
    for step in LOWERING:
        function = step.apply(function)
    return function
