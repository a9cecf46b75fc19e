"""What the compiler knows about the accelerator: sizes that a target states, scopes of its memories, the cost model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tondo.diagnostics import fail
from tondo.target import Target
from tondo_npu_runtime.machine import MACHINE as CHIP

KIND: Final = "npu"
"""Kind of the target, of the code, and name of the library."""
FEATURE: Final = "npu"
"""Feature of targets with the accelerator, which its instructions need."""
SCRATCHPAD: Final = "npu.scratchpad"
ACCUMULATOR: Final = "npu.accumulator"
TILE: Final = 16
SCRATCHPAD_ATTR: Final = "npu.scratchpad_bytes"
ACCUMULATOR_ATTR: Final = "npu.accumulator_bytes"
_ELEMENT: Final = 4


@dataclass(frozen=True, slots=True)
class Chip:
    """Elements that fit one bank of each memory."""

    scratchpad: int
    accumulators: int

    @classmethod
    def of(cls, target: Target) -> Chip:
        """Return the chip that ``target`` describes.

        Raises:
            TondoError: TND-U005 for sizes that hold no tile or that the chip does not have.
        """
        return cls(
            _size(target, SCRATCHPAD_ATTR, CHIP.scratchpad, 4 * TILE * TILE),
            _size(target, ACCUMULATOR_ATTR, CHIP.accumulators, TILE * TILE),
        )


def attributes() -> tuple[tuple[str, int], ...]:
    """Return the facts of the chip as attributes of a target."""
    return (
        (ACCUMULATOR_ATTR, CHIP.accumulators * _ELEMENT),
        (SCRATCHPAD_ATTR, CHIP.scratchpad * _ELEMENT),
    )


def _size(target: Target, name: str, most: int, least: int) -> int:
    value = target.attr(name, most * _ELEMENT)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value // _ELEMENT <= most:
        fail(
            "TND-U005",
            f"the target attribute '{name}' is {value!r}",
            help=f"it is a number of bytes from {least * _ELEMENT} to {most * _ELEMENT}",
        )
    return value // _ELEMENT
