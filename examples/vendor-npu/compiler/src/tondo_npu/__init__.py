"""An accelerator for the Tondo compiler, as its vendor would bring it: nothing of it is known to the core."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
