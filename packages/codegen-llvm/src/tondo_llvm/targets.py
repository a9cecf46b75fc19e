"""Targets of the compiler as machines of LLVM, and this machine as a target without any plugin.

A CPU's name stands for features in LLVM; here only the features of the target decide, so the name is used for
instruction scheduling alone (``tune-cpu``) wherever the architecture has a neutral base.
"""

from __future__ import annotations

from typing import Final

from tondo.target import Caches, Target, host_caches, host_threads
from tondo_llvm.toolchain import MachineSpec, host_machine

_BASE_CPUS: Final = {"x86_64": "x86-64"}
_WIDTHS: Final = (("avx512f", 512, 32), ("avx2", 256, 16), ("sse2", 128, 16), ("neon", 128, 32))


def machine_spec(target: Target) -> MachineSpec:
    """Return what LLVM needs to know of ``target``."""
    features = tuple(f"+{feature}" for feature in sorted(target.features))
    return MachineSpec(target.triple, base_cpu(target), features)


def base_cpu(target: Target) -> str:
    """Return the CPU name whose implied features every CPU of the architecture has."""
    return _BASE_CPUS.get(target.arch, "generic")


def host_target(threads: int | None = None) -> Target:
    """Return this machine as LLVM sees it, with the widest vectors that it has."""
    machine = host_machine()
    features = frozenset(feature[1:] for feature in machine.features if feature.startswith("+"))
    bits, registers = next(((bits, count) for name, bits, count in _WIDTHS if name in features), (0, 0))
    caches: Caches = host_caches()
    return Target(
        kind="cpu",
        cpu=machine.cpu,
        triple=machine.triple,
        features=features,
        vector_bits=bits,
        vector_registers=registers,
        caches=caches,
        threads=host_threads() if threads is None else threads,
    )
