"""Tondo: a deep-learning compiler that is open at every level."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tondo.support.version import __version__

if TYPE_CHECKING:
    from tondo.driver.compile import compile

__all__ = ["__version__", "compile"]


def __getattr__(name: str) -> object:
    """Return ``compile``, whose module is imported when it is first asked for: ``import tondo`` stays light."""
    if name == "compile":
        return importlib.import_module("tondo.driver.compile").compile
    msg = f"module 'tondo' has no attribute '{name}'"
    raise AttributeError(msg)
