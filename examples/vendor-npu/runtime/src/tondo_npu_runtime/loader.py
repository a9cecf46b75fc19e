"""The loader that the runtime of Tondo finds for code of the kind ``npu``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tondo_npu_runtime.decode import decode
from tondo_npu_runtime.simulate import Executable


def load(name: str, data: memoryview) -> Mapping[str, Callable[..., object]]:
    """Return the packed functions that the stream ``data`` defines.

    Raises:
        RuntimeFailure: TND-A001 for a damaged stream, TND-A003 for a newer one, TND-A002 for one that does not fit.
    """
    return {kernel.symbol: Executable(kernel) for kernel in decode(name, data).kernels}
