"""The name of a cache entry: a digest of everything that decides the object code."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tondo_llvm.toolchain import llvm_version
from tondo_llvm.version import package_fingerprint

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
