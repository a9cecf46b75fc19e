"""Tondo: a deep-learning compiler that is open at every level."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tondo.support.version import __version__

if TYPE_CHECKING:
    from tondo.driver.compile import compile
    from tondo.script.operator import operator

__all__ = ["__version__", "compile", "operator"]

_PLACES = {"compile": "tondo.driver.compile", "operator": "tondo.script.operator"}


def __getattr__(name: str) -> object:
    """Return a public function, whose module is imported when it is first asked for: ``import tondo`` stays light."""
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    msg = f"module 'tondo' has no attribute '{name}'"
    raise AttributeError(msg)
