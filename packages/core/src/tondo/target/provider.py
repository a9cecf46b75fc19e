"""The interface through which packages bring targets, and what their implementations share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from tondo.diagnostics import fail

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tondo.target.target import Target


@runtime_checkable
class TargetProvider(Protocol):
    """Knows the CPUs (or devices) of one kind and can look at the machine that it runs on.

    Attributes:
        name: unique name of the provider, such as ``"x86"``.
        kind: the kind of target that it makes, such as ``"cpu"``.
        priority: of several providers for one kind the one with the highest priority is asked first; the
            baseline of the core has 0.
    """

    @property
    def name(self) -> str:
        """Unique name of the provider."""
        ...

    @property
    def kind(self) -> str:
        """Kind of the targets that it makes."""
        ...

    @property
    def priority(self) -> int:
        """Who is asked first."""
        ...

    def names(self) -> Sequence[str]:
        """Return the names that :meth:`make` accepts, without ``"native"``."""
        ...

    def detect(self) -> Target | None:
        """Return the machine that this process runs on, or None if it is not one of this provider's."""
        ...

    def make(self, cpu: str, features: Sequence[str] = ()) -> Target:
        """Return the target for ``cpu`` with ``features`` changed.

        Args:
            cpu: one of :meth:`names`, or ``"native"`` if :meth:`detect` finds the host.
            features: ``"name"`` or ``"+name"`` adds an LLVM feature, ``"-name"`` takes it away.

        Raises:
            TondoError: TND-U007 for a CPU or a feature that the provider does not know.
        """
        ...


def change_features(base: Iterable[str], changes: Iterable[str], known: Iterable[str] | None = None) -> frozenset[str]:
    """Return ``base`` with ``changes`` applied in order (``"+a"``/``"a"`` adds, ``"-a"`` takes away).

    Raises:
        TondoError: TND-U007 if a change names a feature outside ``known``.
    """
    features = set(base)
    allowed = None if known is None else set(known) | features
    for change in changes:
        name = change.lstrip("+-")
        if not name or (allowed is not None and name not in allowed):
            fail("TND-U007", f"unknown CPU feature {change!r}", help="features have LLVM's names, such as 'avx2'")
        if change.startswith("-"):
            features.discard(name)
        else:
            features.add(name)
    return frozenset(features)
