"""Libraries: external kernels that compete with generated code ("bring your own code generator")."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from tondo.ir import TensorFunction
from tondo.target.target import Target


@runtime_checkable
class Library(Protocol):
    """Offers packed functions for the tensor functions it recognises."""

    @property
    def name(self) -> str:
        """Unique name, such as ``"openblas"``."""
        ...

    def supports(self, target: Target) -> bool:
        """Return whether its kernels run on ``target``."""
        ...

    def match(self, function: TensorFunction, target: Target) -> str | None:
        """Return the name of the packed function that computes what ``function`` computes, or None.

        The packed function takes the buffers of ``function`` in order. Structure decides, never the function's name.
        """
        ...
