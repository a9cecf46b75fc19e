"""External compilers: libraries that make code of their own for the tensor functions that they offered to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from tondo.ir import TensorFunction
    from tondo.passes.context import PassContext
    from tondo.passes.library import LibraryCode


@runtime_checkable
class KernelCompiler(Protocol):
    """What a library may also be: a compiler of the functions that it was given."""

    def compile(self, functions: Sequence[TensorFunction], context: PassContext) -> Sequence[LibraryCode]:
        """Return code that computes each of ``functions``, all of which it offered to take.

        Args:
            functions: in the order of the module, each with a name of its own, as ``match`` saw them but for the
                attribute ``attributes``, which holds those of the offer.
            context: the target with its declared instructions and schedule rules.

        Raises:
            TondoError: TND-B004 for a function that it cannot compile after all.
        """
        ...
