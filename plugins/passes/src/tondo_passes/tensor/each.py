"""Base of passes that rewrite every tensor function of a module by itself."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tondo.ir import IRModule, TensorFunction
from tondo.passes.library import placed

if TYPE_CHECKING:
    from tondo.passes import PassContext


@dataclass(frozen=True)
class TensorPass:
    """A pass given by a pure function on tensor functions."""

    name: ClassVar[str] = ""
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def apply(self, function: TensorFunction) -> TensorFunction:
        """Return the rewritten function; the same object when nothing changes."""

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Rewrite every tensor function of ``module`` but those that libraries run."""
        del context
        return module.with_functions(
            changed
            for function in module.tensor_functions()
            if not placed(function) and (changed := self.apply(function)) is not function
        )
