"""A target: the facts about a machine that code is generated for.

Schedules and passes decide from these facts (vector width, number of registers, cache sizes, features), never
from the name of an instruction set or of a CPU.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from tondo.ir.dtype import dtype as as_dtype

if TYPE_CHECKING:
    from tondo.ir.dtype import DType

Attribute = bool | int | float | str
"""A value in :attr:`Target.attrs`."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class Caches(NamedTuple):
    """Data cache sizes in bytes that one core sees; 0 where the machine has no such level."""

    l1d: int
    l2: int
    l3: int


@dataclass(frozen=True, slots=True)
class Target:
    """What code generation may rely on.

    Attributes:
        kind: ``"cpu"``, ``"interp"`` (the reference interpreter) or a kind that a plugin names.
        cpu: name of the CPU as LLVM knows it; only instruction scheduling may depend on it.
        triple: LLVM target triple.
        features: available instruction-set features by their LLVM names.
        vector_bits: width of a vector register in bits, 0 for a machine without vectors.
        vector_registers: number of vector registers that a program can name.
        caches: data cache sizes in bytes.
        threads: how many threads one call uses.
        attrs: further facts that a provider knows, sorted by name.
    """

    kind: str
    cpu: str
    triple: str
    features: frozenset[str]
    vector_bits: int
    vector_registers: int
    caches: Caches
    threads: int
    attrs: tuple[tuple[str, Attribute], ...] = ()

    @property
    def arch(self) -> str:
        """First part of the triple, such as ``x86_64`` or ``aarch64``."""
        return self.triple.partition("-")[0]

    def lanes(self, dtype: str | DType) -> int:
        """Return how many elements of ``dtype`` one vector register holds, at least 1."""
        return max(1, self.vector_bits // as_dtype(dtype).bits)

    def has(self, *features: str) -> bool:
        """Return whether all ``features`` are available."""
        return self.features.issuperset(features)

    def attr(self, name: str, default: Attribute | None = None) -> Attribute | None:
        """Return the further fact ``name``, or ``default``."""
        return dict(self.attrs).get(name, default)

    def describe(self) -> dict[str, object]:
        """Return all facts as plain values that JSON can hold, in a fixed order."""
        return {
            "kind": self.kind,
            "cpu": self.cpu,
            "triple": self.triple,
            "features": sorted(self.features),
            "vector_bits": self.vector_bits,
            "vector_registers": self.vector_registers,
            "caches": self.caches._asdict(),
            "threads": self.threads,
            "attrs": dict(self.attrs),
        }

    def fingerprint(self) -> str:
        """Return a short text, safe in file names, that is equal exactly for targets with equal facts."""
        text = json.dumps(self.describe(), sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        return _UNSAFE.sub("_", f"{self.kind}-{self.arch}-{self.cpu}-{digest}")
