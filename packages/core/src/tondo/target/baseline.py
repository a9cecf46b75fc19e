"""Targets that need no plugin: the baseline of the host's architecture, and the reference interpreter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tondo.diagnostics import fail, suggest
from tondo.target.host import host_architecture, host_caches, host_threads, host_triple
from tondo.target.provider import change_features
from tondo.target.target import Caches, Target

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class _Baseline:
    """What every CPU of an architecture has."""

    features: frozenset[str]
    vector_bits: int
    vector_registers: int


_BASELINES: Final = {
    "x86_64": _Baseline(frozenset({"cx8", "cmov", "fxsr", "mmx", "sse", "sse2"}), 128, 16),
    "aarch64": _Baseline(frozenset({"fp-armv8", "neon"}), 128, 32),
    "riscv64": _Baseline(frozenset({"m", "a", "f", "d", "c"}), 0, 0),
}
_SCALAR: Final = _Baseline(frozenset(), 0, 0)


@dataclass(frozen=True, slots=True)
class BaselineCpu:
    """The CPU provider of the core: one CPU, ``generic``, with what every CPU of the architecture has."""

    arch: str = ""
    name: str = "baseline"
    kind: str = "cpu"
    priority: int = 0

    def names(self) -> tuple[str, ...]:
        """Return ``("generic",)``."""
        return ("generic",)

    def detect(self) -> Target | None:
        """Return the baseline of the host; it never fails."""
        return self.make("generic")

    def make(self, cpu: str, features: Sequence[str] = ()) -> Target:
        """Return the baseline target; ``features`` may change the list, not the vector facts.

        Raises:
            TondoError: TND-U007 for any CPU but ``generic`` and ``native``.
        """
        if cpu not in {"generic", "native"}:
            fail("TND-U007", f"unknown CPU {cpu!r}", help=suggest(cpu, self.names()) or "a target plugin may know it")
        arch = self.arch or host_architecture()
        facts = _BASELINES.get(arch, _SCALAR)
        return Target(
            kind="cpu",
            cpu="generic",
            triple=host_triple(),
            features=change_features(facts.features, features),
            vector_bits=facts.vector_bits,
            vector_registers=facts.vector_registers,
            caches=host_caches(),
            threads=host_threads(),
        )


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Provider of ``interp``: modules are executed by the numpy semantics, no code is generated."""

    name: str = "interp"
    kind: str = "interp"
    priority: int = 0

    def names(self) -> tuple[str, ...]:
        """Return ``("generic",)``."""
        return ("generic",)

    def detect(self) -> Target | None:
        """Return the interpreter, which runs everywhere."""
        return self.make("generic")

    def make(self, cpu: str, features: Sequence[str] = ()) -> Target:
        """Return the interpreter's target.

        Raises:
            TondoError: TND-U007 if a CPU or features are asked for; the interpreter has none.
        """
        if cpu not in {"generic", "native"} or features:
            fail("TND-U007", "the interpreter has neither CPUs nor features", help="use the target 'interp' alone")
        return Target("interp", "generic", host_triple(), frozenset(), 0, 0, Caches(0, 0, 0), 1)


BASELINE_PROVIDERS: Final = (BaselineCpu(), Interpreter())
"""What the core registers itself."""
