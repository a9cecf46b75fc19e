"""The state of one running tensor function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from tondo.diagnostics import fail
from tondo.diagnostics.span import Span
from tondo.interp.values import Value
from tondo.ir import Buffer, IRModule


@dataclass(slots=True)
class Frame:
    """Values of variables and memory of buffers, by name.

    Attributes:
        function: name of the running function, for messages.
        module: where invoked functions are found.
        values: variables.
        buffers: memory; every array has the logical shape of its buffer.
        mask: where loops run as array axes, the instances that are active; None is all.
        lanes: whether loops around run as array axes.
        empty: whether a loop of a reduction around makes no step, so that reductions only start.
        slots: bytes of the slots of the call, by number.
    """

    function: str
    module: IRModule | None = None
    values: dict[str, Value] = field(default_factory=dict)
    buffers: dict[str, np.ndarray] = field(default_factory=dict)
    mask: np.ndarray | None = None
    lanes: bool = False
    empty: bool = False
    slots: dict[int, np.ndarray] = field(default_factory=dict)

    def memory(self, buffer: Buffer) -> np.ndarray:
        """Return the memory of ``buffer``.

        Raises:
            TondoError: TND-R003 if it is not declared here.
        """
        found = self.buffers.get(buffer.name)
        if found is None:
            fail("TND-R003", f"{self.function}: the buffer '{buffer.name}' is not declared here")
        return found

    def out_of_bounds(self, what: str, buffer: Buffer, index: Sequence[object], span: Span | None) -> NoReturn:
        """Raise the error of an access outside of a buffer."""
        shape = ", ".join(str(extent) for extent in self.memory(buffer).shape)
        place = ", ".join(str(part) for part in index)
        fail(
            "TND-R003",
            f"{self.function}: {what} {buffer.name}[{place}] is outside of its shape ({shape})",
            span=span,
            notes=(", ".join(f"{name} = {value}" for name, value in self.values.items() if np.ndim(value) == 0),),
        )
