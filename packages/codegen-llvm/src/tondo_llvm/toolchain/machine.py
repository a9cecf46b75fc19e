"""The machine that code is generated for, and how many processors this process may use."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Literal

import llvmlite.binding as llvm

from tondo.diagnostics import fail
from tondo_llvm.toolchain.library import initialize


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """A target as LLVM names it.

    Attributes:
        triple: for example ``x86_64-unknown-linux-gnu``.
        cpu: LLVM's name of a processor, empty for the architecture's baseline.
        features: signed feature names such as ``+avx2``; later ones win.
        relocation: ``pic`` for shared objects and for loading into a running process.
        code_model: ``small`` fits both; code and data lie within 2 GiB of each other.
    """

    triple: str
    cpu: str = ""
    features: tuple[str, ...] = ()
    relocation: Literal["pic", "static"] = "pic"
    code_model: Literal["small", "medium", "large"] = "small"

    def __post_init__(self) -> None:
        """Refuse features without a sign, which LLVM would ignore in silence."""
        for feature in self.features:
            if feature[:1] not in {"+", "-"}:
                fail("TND-U005", f"CPU feature '{feature}' must start with '+' or '-'")

    @property
    def architecture(self) -> str:
        """First part of the triple, with the common aliases resolved: ``x86_64``, ``aarch64``, ..."""
        name = self.triple.split("-", 1)[0].lower()
        return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)

    def has(self, feature: str) -> bool:
        """Whether the last mention of ``feature`` switches it on. Features implied by ``cpu`` are not known here."""
        for signed in reversed(self.features):
            if signed[1:] == feature:
                return signed[0] == "+"
        return False


@functools.cache
def host_machine() -> MachineSpec:
    """Return the machine this process runs on, with every detected feature spelled out, on and off."""
    initialize()
    features = llvm.get_host_cpu_features()
    signed = tuple(f"{'+' if on else '-'}{name}" for name, on in sorted(features.items()))
    return MachineSpec(llvm.get_process_triple(), llvm.get_host_cpu_name(), signed)


def target_machine(spec: MachineSpec, opt_level: int) -> llvm.TargetMachine:
    """Return LLVM's target machine for ``spec``.

    Raises:
        TondoError: TND-B005 if LLVM does not know the triple.
    """
    initialize()
    try:
        target = llvm.Target.from_triple(spec.triple)
    except RuntimeError as error:
        fail("TND-B005", f"LLVM has no code generator for '{spec.triple}'", notes=(str(error).strip(),))
    return target.create_target_machine(
        cpu=spec.cpu,
        features=",".join(spec.features),
        opt=opt_level,
        reloc=spec.relocation,
        codemodel=spec.code_model,
    )


def available_cpus() -> int:
    """How many processors this process may run on (its affinity mask, not the machine's size)."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
