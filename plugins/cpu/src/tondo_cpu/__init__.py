"""CPU schedule rules, written against target facts (vector width, registers, caches, threads)."""

from __future__ import annotations

from tondo_cpu.contraction.wishes import wishes

__all__ = ["wishes"]
