"""What a pass is: a frozen dataclass whose fields are its options, with declarations that the harness checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

if TYPE_CHECKING:
    from tondo.ir import IRModule
    from tondo.passes.context import PassContext


@runtime_checkable
class Pass(Protocol):
    """One rewrite of a module.

    Implementations are frozen dataclasses; every field is an option with a default, named in pipeline files::

        @dataclass(frozen=True, slots=True)
        class Fuse:
            name: ClassVar[str] = "graph.fuse"
            requires: ClassVar[frozenset[str]] = frozenset({"defined"})
            ensures: ClassVar[frozenset[str]] = frozenset({"fused"})
            max_ops: int = 64

            def run(self, module: IRModule, context: PassContext) -> IRModule: ...

    Properties are words such as ``graph``, ``defined``, ``fused``, ``scheduled``, ``lowered``, ``planned``. Those for
    which a verifier exists are verified, the others are believed and tracked. A property, once it holds, is kept by
    later passes unless a pass names it in an optional class variable ``ends``.
    """

    name: ClassVar[str]
    requires: ClassVar[frozenset[str]]
    ensures: ClassVar[frozenset[str]]

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return the rewritten module, or ``module`` itself when nothing changed; never change ``module``."""
        ...
