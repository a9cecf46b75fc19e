"""From LLVM IR text to machine code: parallel compilation, assembly listings, linking."""

from __future__ import annotations

from tondo_llvm.toolchain.compile import ObjectCode, Optimization, Source, assembly, compile_many
from tondo_llvm.toolchain.library import llvm_version
from tondo_llvm.toolchain.link import LinkedLibrary, LinkRefusal, link_shared
from tondo_llvm.toolchain.machine import MachineSpec, available_cpus, host_machine

__all__ = [
    "LinkRefusal",
    "LinkedLibrary",
    "MachineSpec",
    "ObjectCode",
    "Optimization",
    "Source",
    "assembly",
    "available_cpus",
    "compile_many",
    "host_machine",
    "link_shared",
    "llvm_version",
]
