"""Functions of shared libraries under names."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias, cast

from tondo_runtime.abi import address_of
from tondo_runtime.c_functions import register_c
from tondo_runtime.errors import fail
from tondo_runtime.registry import register_native

Symbol: TypeAlias = str | tuple[str, str]
"""A safe-call function by its symbol, or the symbol of a plain C function and its signature."""


def register_library(
    path: str | os.PathLike[str], functions: Mapping[str, Symbol], *, override: bool = False
) -> tuple[str, ...]:
    """Register functions of the shared library at ``path``, which stays open.

    Args:
        path: a file, or a name that the dynamic linker finds.
        functions: name to symbol. A symbol alone is a function of the safe-call convention, ``int f(void* handle, const
            Any* args, int32 n, Any* result)``, which is called without Python and with a null handle; a symbol with a
            signature is a plain C function, see :func:`register_c`.
        override: whether functions of these names may be replaced.

    Returns:
        The names.

    Example:
        >>> register_library("libm.so.6", {"libm.hypot": ("hypot", "double, double -> double")})
        ('libm.hypot',)

    Raises:
        RuntimeFailure: TND-U006 if the library cannot be opened, TND-U005 for a symbol that it does not have or a name
            that is taken; nothing is registered then.
    """
    place = os.fspath(path)
    try:
        library = ctypes.CDLL(place)
    except OSError as error:
        fail("TND-U006", f"the shared library {place} cannot be opened: {error}")
    found = {name: _address(library, place, symbol) for name, symbol in functions.items()}
    for name, symbol in functions.items():
        text, signature = (symbol, None) if isinstance(symbol, str) else symbol
        origin = f"{Path(place).name}:{text}"
        if signature is None:
            register_native(name, found[name], keep=library, override=override, origin=origin)
        else:
            register_c(name, found[name], signature, keep=library, override=override, origin=origin)
    return tuple(functions)


def _address(library: ctypes.CDLL, place: str, symbol: Symbol) -> int:
    name = symbol if isinstance(symbol, str) else symbol[0]
    try:
        return address_of(cast("Callable[..., object]", library[name]))
    except AttributeError:
        fail("TND-U005", f"the shared library {place} has no function '{name}'")
