"""x86 CPUs and their instructions for Tondo: declarations only, no schedule and no pass."""

from __future__ import annotations

from tondo_x86.provider import X86Cpus

__all__ = ["X86Cpus"]
