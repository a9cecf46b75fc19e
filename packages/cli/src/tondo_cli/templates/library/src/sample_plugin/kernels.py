"""The kernels, and how compiled models find them.

An artifact names the function ``sample_plugin:matmul``; the runtime asks the entry point ``sample_plugin`` of the group
``tondo_runtime.resolvers`` for it. This module needs numpy and the runtime only, so it can be installed without the
compiler.
"""

from __future__ import annotations

import numpy as np

import tondo_runtime


def matmul(*arguments: object) -> None:
    """Write ``a @ b`` to ``out``; sizes of symbolic dimensions come first and are not needed."""
    a, b, out = (array for array in arguments if isinstance(array, np.ndarray))
    np.matmul(a, b, out=out)


def resolve(name: str) -> tondo_runtime.PackedFunction | None:
    """Return the kernel ``name`` of this package, None if it has none of that name."""
    if name != "matmul":
        return None
    tondo_runtime.register("sample_plugin:matmul", matmul, override=True)
    return tondo_runtime.get("sample_plugin:matmul")
