"""The functions of OpenBLAS under the names ``openblas:NAME``, which compiled models call.

``sgemm`` and ``dgemm`` are the C functions of BLAS themselves (``cblas_sgemm``, ``cblas_dgemm``), called without Python
where llvmlite is installed; ``threads`` sets how many threads the products that follow use. The shared object is that
of the package ``scipy-openblas32``, loaded when the first function is looked up; its symbols have a prefix of their
own, so it meets no other BLAS of the process, nor does its number of threads count for another.

OpenBLAS keeps its threads spinning for a while after each product, at the cost of whoever works next. They sleep at
once here, unless ``OPENBLAS_THREAD_TIMEOUT`` says otherwise.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import tondo_runtime
from tondo_runtime.errors import fail
from tondo_runtime.registry import get

if TYPE_CHECKING:
    from tondo_runtime.registry import PackedFunction

SCHEME: Final = "openblas"
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112
"""Constants of ``cblas.h``: order of the elements, operands as they are and transposed."""

_GEMM: Final = "int32, int32, int32, int32, int32, int32, {0}, const {0}*, int32, const {0}*, int32, {0}, {0}*, int32"
_FUNCTIONS: Final = {
    "sgemm": ("scipy_cblas_sgemm", f"{_GEMM.format('float32')} -> void"),
    "dgemm": ("scipy_cblas_dgemm", f"{_GEMM.format('float64')} -> void"),
    "threads": ("scipy_openblas_set_num_threads", "int32 -> void"),
}


def resolve(name: str) -> PackedFunction | None:
    """Return the function ``openblas:name``, None if there is no such function.

    Raises:
        RuntimeFailure: TND-R002 if the shared object cannot be loaded or lacks the function.
    """
    if name not in _FUNCTIONS:
        return None
    symbol, signature = _FUNCTIONS[name]
    library = _library()
    try:
        function = library[symbol]
    except AttributeError:
        fail("TND-R002", f"OpenBLAS has no function '{symbol}'", help='pip install "scipy-openblas32>=0.3.29"')
    address = ctypes.cast(function, ctypes.c_void_p).value or 0
    full = f"{SCHEME}:{name}"
    tondo_runtime.register_c(full, address, signature, keep=library, override=True, origin=f"OpenBLAS:{symbol}")
    return get(full)


@functools.cache
def _library() -> ctypes.CDLL:
    found = importlib.util.find_spec("scipy_openblas32")
    folders = [] if found is None else [Path(folder) for folder in found.submodule_search_locations or ()]
    paths = [path for folder in folders for path in sorted((folder / "lib").glob("*scipy_openblas*"))]
    files = [path for path in paths if path.suffix in {".so", ".dylib", ".dll"}]
    if not files:
        fail("TND-R002", "OpenBLAS is not installed", help="pip install scipy-openblas32")
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    try:
        return ctypes.CDLL(str(files[0]))
    except OSError as error:
        fail("TND-R002", f"OpenBLAS cannot be loaded: {error}", help="pip install --force-reinstall scipy-openblas32")
