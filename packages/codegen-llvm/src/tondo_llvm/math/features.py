"""Which machine facts the functions depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tondo_llvm.toolchain import MachineSpec

_ALWAYS_FUSED = frozenset({"aarch64", "riscv64", "powerpc64le", "s390x"})


def machine_features(machine: MachineSpec) -> frozenset[str]:
    """Return ``{"fma"}`` if ``machine`` has a fused multiply-add instruction for vectors, else the empty set.

    On x86 the features must say so (``+fma`` or ``+avx512f``): a processor's name alone is not looked up.
    """
    fused = machine.architecture in _ALWAYS_FUSED or machine.has("fma") or machine.has("avx512f")
    return frozenset({"fma"}) if fused else frozenset()
