"""What every room of the core shares and that imports nothing of it."""

from __future__ import annotations

from tondo.support.version import __version__

__all__ = ["__version__"]
