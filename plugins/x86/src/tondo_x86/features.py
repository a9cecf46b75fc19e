"""Instruction-set features of x86 under LLVM's names, and which need which.

Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapters 14 and 15; the psABI's
micro-architecture levels; ``X86.td`` of LLVM for the names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "sse2": ("sse",),
    "sse3": ("sse2",),
    "ssse3": ("sse3",),
    "sse4.1": ("ssse3",),
    "sse4.2": ("sse4.1",),
    "aes": ("sse2",),
    "pclmul": ("sse2",),
    "gfni": ("sse2",),
    "sha": ("sse2",),
    "avx": ("sse4.2",),
    "f16c": ("avx",),
    "fma": ("avx",),
    "avx2": ("avx",),
    "vaes": ("avx2", "aes"),
    "vpclmulqdq": ("avx", "pclmul"),
    "avxvnni": ("avx2",),
    "avxvnniint8": ("avx2",),
    "avxifma": ("avx2",),
    "avxneconvert": ("avx2",),
    "avx512f": ("avx2", "fma", "f16c"),
    "avx512cd": ("avx512f",),
    "avx512dq": ("avx512f",),
    "avx512bw": ("avx512f",),
    "avx512vl": ("avx512f",),
    "avx512ifma": ("avx512f",),
    "avx512vnni": ("avx512f",),
    "avx512vpopcntdq": ("avx512f",),
    "avx512vbmi": ("avx512bw",),
    "avx512vbmi2": ("avx512bw",),
    "avx512bitalg": ("avx512bw",),
    "avx512bf16": ("avx512bw",),
    "avx512fp16": ("avx512bw", "avx512vl"),
    "avx512vp2intersect": ("avx512f",),
    "amx-int8": ("amx-tile",),
    "amx-bf16": ("amx-tile",),
    "amx-fp16": ("amx-tile",),
    "amx-complex": ("amx-tile",),
}
"""What each feature needs directly."""

_SINGLE: Final = (
    "64bit", "adx", "amx-tile", "bmi", "bmi2", "clflushopt", "clwb", "clzero", "cmov", "crc32", "cx16", "cx8",
    "fsgsbase", "fxsr", "invpcid", "lzcnt", "mmx", "movbe", "mwaitx", "pku", "popcnt", "prfchw", "rdpid", "rdrnd",
    "rdseed", "sahf", "serialize", "sse", "sse4a", "wbnoinvd", "xsave", "xsavec", "xsaveopt", "xsaves",
)  # fmt: skip

KNOWN: Final = frozenset({*NEEDS, *_SINGLE})
"""Every feature that a target may have."""


def with_needs(features: Iterable[str]) -> frozenset[str]:
    """Return ``features`` with everything that they need, in any depth."""
    found: set[str] = set()
    waiting = list(features)
    while waiting:
        feature = waiting.pop()
        if feature not in found:
            found.add(feature)
            waiting.extend(NEEDS.get(feature, ()))
    return frozenset(found)


def consistent(features: Iterable[str]) -> frozenset[str]:
    """Return those ``features`` for which everything that they need is there as well."""
    present = frozenset(features)
    return frozenset(feature for feature in present if with_needs([feature]) <= present)
