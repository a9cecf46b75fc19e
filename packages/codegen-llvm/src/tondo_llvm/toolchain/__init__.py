"""From LLVM IR text to machine code: parallel compilation, assembly listings, linking."""

from __future__ import annotations

from tondo_llvm.toolchain.compile import assembly, compile_many
from tondo_llvm.toolchain.library import llvm_version
from tondo_llvm.toolchain.link import LinkedLibrary, LinkRefusal, link_shared
from tondo_llvm.toolchain.machine import MachineSpec, available_cpus, host_machine
from tondo_llvm.toolchain.source import DEFAULT_OPTIMIZATION, ObjectCode, Optimization, Source

__all__ = [
    "DEFAULT_OPTIMIZATION",
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
