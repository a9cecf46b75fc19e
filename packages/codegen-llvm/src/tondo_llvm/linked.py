"""Compiled code as one shared object, which the runtime opens without llvmlite.

Before: relocatable objects. After: one object of kind ``shared`` that exports the entry points, the thread pool and
the clock, and nothing else. Refused, with the reason: other systems than Linux, a machine without a linker, and what
every linker refuses.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from tondo.passes import Miss
from tondo.plugin import CompiledCode, ObjectCode
from tondo.target import Target
from tondo_llvm.pool import POOL_SYMBOLS
from tondo_llvm.targets import machine_spec
from tondo_llvm.toolchain import LinkRefusal, link_shared

EXPORTED: Final = ("__tondo_*", *POOL_SYMBOLS)
"""Symbols that are visible outside of a linked library; ``__tondo_NAME`` is the entry point of function ``NAME``."""

_NAME: Final = "model"


def link(code: CompiledCode, target: Target) -> CompiledCode | Miss:
    """Return ``code`` with its objects linked to a single shared one, or why that cannot be done."""
    if all(entry.kind == "shared" for entry in code.objects):
        return code
    if any(entry.kind == "shared" for entry in code.objects):
        return Miss("shared objects cannot be linked into another one")
    with tempfile.TemporaryDirectory(prefix="tondo-link-") as folder:
        result = link_shared(code.objects, Path(folder, "model.so"), machine_spec(target), EXPORTED)
        if isinstance(result, LinkRefusal):
            said = "; ".join(f"{linker}: {text.splitlines()[0]}" for linker, text in result.attempts if text)
            return Miss(f"{result.reason} ({said})" if said else result.reason)
        data = result.path.read_bytes()
    return replace(code, objects=(ObjectCode(_NAME, data, "shared"),))
