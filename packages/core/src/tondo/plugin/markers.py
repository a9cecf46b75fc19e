"""The two decorators that connect functions with hooks."""

from __future__ import annotations

from typing import Final

import pluggy

PROJECT: Final = "tondo"

hookspec: Final = pluggy.HookspecMarker(PROJECT)
"""Marks a method of a specification class; see :mod:`tondo.plugin.hookspecs`."""

hookimpl: Final = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin module as the implementation of the hook of the same name."""
