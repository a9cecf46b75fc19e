"""The name of a cache entry: a digest of everything that decides the object code."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import tondo_llvm
from tondo_llvm.toolchain import llvm_version

if TYPE_CHECKING:
    from tondo_llvm.toolchain import MachineSpec, Optimization


def object_key(name: str, content: str, machine: MachineSpec, optimization: Optimization) -> str:
    """Return the key, 64 hexadecimal digits.

    Args:
        name: the module's name, which stands in the object file.
        content: the LLVM IR text, or another text that decides it, such as a structural hash. With such a hash an
            entry is found without generating the text; the package's own sources are part of the key, so a changed
            code generator never finds old entries.
        machine: what the code is for.
        optimization: how it is optimised.
    """
    fields = (
        name,
        content,
        machine.triple,
        machine.cpu,
        machine.features,
        machine.relocation,
        machine.code_model,
        optimization.level,
        optimization.vectorize,
        optimization.unroll,
        llvm_version(),
        package_fingerprint(),
    )
    return hashlib.sha256(json.dumps(fields).encode()).hexdigest()


@functools.cache
def package_fingerprint() -> str:
    """Return a digest of this package's source files: a version that also changes in a working copy."""
    digest = hashlib.sha256()
    for folder in sorted(tondo_llvm.__path__):
        root = Path(folder)
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
