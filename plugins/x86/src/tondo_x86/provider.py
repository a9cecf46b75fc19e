"""The provider of x86 CPUs: named ones, and this machine from the features that the system reports.

The name of this machine's CPU is the highest micro-architecture level that its features reach: names that systems
and compilers guess are often those of older CPUs, while the features are exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tondo.diagnostics import fail, suggest
from tondo.target import (
    Target,
    host_architecture,
    host_caches,
    host_features,
    host_threads,
    host_triple,
)
from tondo_x86.cpus import CPUS, level_of
from tondo_x86.features import KNOWN, consistent, with_needs

ARCHITECTURE = "x86_64"


@dataclass(frozen=True, slots=True)
class X86Cpus:
    """Targets of kind ``cpu`` with the architecture x86-64.

    Cache sizes and the number of threads are those of this machine also for a named CPU.
    """

    name: str = "x86"
    kind: str = "cpu"
    priority: int = 10

    def names(self) -> tuple[str, ...]:
        """Return the names of the CPUs."""
        return tuple(CPUS)

    def detect(self) -> Target | None:
        """Return this machine, or None if it is not an x86-64 or does not tell its features."""
        features = self._host()
        return None if features is None else _target(level_of(features), features)

    def make(self, cpu: str, features: Sequence[str] = ()) -> Target:
        """Return the target for ``cpu`` with ``features`` added or taken away.

        What an added feature needs comes with it; what needs a removed feature goes with it.

        Raises:
            TondoError: TND-U007 for an unknown CPU or feature, or ``native`` on another architecture.
        """
        base = self._host() if cpu == "native" else CPUS.get(cpu)
        if base is None:
            fail("TND-U007", f"unknown x86 CPU '{cpu}'", help=suggest(cpu, CPUS) or "'tondo targets' lists names")
        changed = _changed(base, features)
        return _target(level_of(changed) if cpu == "native" else cpu, changed)

    def _host(self) -> frozenset[str] | None:
        found = host_features() if host_architecture() == ARCHITECTURE else frozenset[str]()
        return consistent(found & KNOWN) or None


def _changed(base: frozenset[str], changes: Iterable[str]) -> frozenset[str]:
    features = base
    for change in changes:
        name = change.removeprefix("+").removeprefix("-")
        if name not in KNOWN:
            fail("TND-U007", f"unknown CPU feature '{change}'", help=suggest(name, KNOWN) or "use LLVM's names")
        features = consistent(features - {name}) if change.startswith("-") else features | with_needs([name])
    return features


def _target(cpu: str, features: frozenset[str]) -> Target:
    return Target(
        kind="cpu",
        cpu=cpu,
        triple=host_triple() if host_architecture() == ARCHITECTURE else "x86_64-unknown-linux-gnu",
        features=features,
        vector_bits=512 if "avx512f" in features else 256 if "avx2" in features else 128,
        vector_registers=32 if "avx512f" in features else 16,
        caches=host_caches(),
        threads=host_threads(),
    )
