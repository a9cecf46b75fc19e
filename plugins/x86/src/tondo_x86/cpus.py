"""Named x86 CPUs: the features that code for them may use. Source: ``X86.td`` of LLVM and the psABI's levels."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from tondo_x86.features import with_needs

BASE: Final = with_needs({"cx8", "cmov", "fxsr", "mmx", "sse2"})
V2: Final = with_needs(BASE | {"cx16", "crc32", "popcnt", "sahf", "sse4.2"})
V3: Final = with_needs(V2 | {"avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"})
V4: Final = with_needs(V3 | {"avx512bw", "avx512cd", "avx512dq", "avx512vl"})

LEVELS: Final = (("x86-64", BASE), ("x86-64-v2", V2), ("x86-64-v3", V3), ("x86-64-v4", V4))
"""Micro-architecture levels, lowest first."""

_HASWELL = V3 | {"aes", "fsgsbase", "invpcid", "pclmul", "rdrnd", "xsaveopt"}
_SKYLAKE = _HASWELL | {"adx", "clflushopt", "prfchw", "rdseed", "xsavec", "xsaves"}
_SKYLAKE_SERVER = _SKYLAKE | V4 | {"clwb", "pku"}
_CASCADELAKE = _SKYLAKE_SERVER | {"avx512vnni"}
_ICELAKE_SERVER = _CASCADELAKE | {
    "avx512bitalg", "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vpopcntdq", "gfni", "rdpid", "sha", "vaes",
    "vpclmulqdq", "wbnoinvd",
}  # fmt: skip
_SAPPHIRERAPIDS = _ICELAKE_SERVER | {
    "amx-bf16", "amx-int8", "amx-tile", "avx512bf16", "avx512fp16", "avxvnni", "serialize",
}  # fmt: skip
_ALDERLAKE = _SKYLAKE | {"avxvnni", "clwb", "gfni", "pku", "rdpid", "serialize", "sha", "vaes", "vpclmulqdq"}
_ZNVER2 = V3 | {
    "adx", "aes", "clflushopt", "clwb", "clzero", "fsgsbase", "mwaitx", "pclmul", "prfchw", "rdpid", "rdrnd", "rdseed",
    "sha", "sse4a", "wbnoinvd", "xsavec", "xsaveopt", "xsaves",
}  # fmt: skip
_ZNVER3 = _ZNVER2 | {"invpcid", "pku", "vaes", "vpclmulqdq"}
_ZNVER4 = _ZNVER3 | V4 | {
    "avx512bf16", "avx512bitalg", "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512vpopcntdq", "gfni",
}  # fmt: skip

CPUS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        name: with_needs(features)
        for name, features in (
            *LEVELS,
            ("haswell", _HASWELL),
            ("skylake", _SKYLAKE),
            ("skylake-avx512", _SKYLAKE_SERVER),
            ("cascadelake", _CASCADELAKE),
            ("icelake-server", _ICELAKE_SERVER),
            ("sapphirerapids", _SAPPHIRERAPIDS),
            ("graniterapids", _SAPPHIRERAPIDS | {"amx-fp16"}),
            ("alderlake", _ALDERLAKE),
            ("znver2", _ZNVER2),
            ("znver3", _ZNVER3),
            ("znver4", _ZNVER4),
            ("znver5", _ZNVER4 | {"avx512vp2intersect", "avxvnni"}),
        )
    }
)
"""Features by LLVM's name of the CPU."""


def level_of(features: frozenset[str]) -> str:
    """Return the highest micro-architecture level whose features are all there."""
    fitting = [name for name, needed in LEVELS if needed <= features]
    return fitting[-1] if fitting else LEVELS[0][0]
