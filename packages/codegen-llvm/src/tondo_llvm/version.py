"""What decides the code besides the module and the target, found out without loading LLVM.

A compiled model that is taken from the cache must not cost the time that LLVM takes to load, yet its key has to change
with LLVM. So the installed distribution is looked at: its version, and the size of its library, which differs between
builds of one version.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from pathlib import Path

_LLVM = "llvmlite"


@functools.cache
def version() -> str:
    """Return a text that changes with LLVM and with this package's sources."""
    return f"{installed_llvm()}-{package_fingerprint()[:16]}"


@functools.cache
def installed_llvm() -> str:
    """Return version and library size of the installed LLVM binding, such as ``llvmlite-0.50.0-171234567``."""
    distribution = importlib.metadata.distribution(_LLVM)
    libraries = (Path(str(file.locate())) for file in distribution.files or () if "libllvmlite" in file.name)
    size = sum(path.stat().st_size for path in libraries if path.is_file())
    return f"{_LLVM}-{distribution.version}-{size}"


@functools.cache
def package_fingerprint() -> str:
    """Return a digest of this package's source files: a version that also changes in a working copy."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
