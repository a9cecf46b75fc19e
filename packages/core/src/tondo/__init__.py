"""Tondo: a deep-learning compiler that is open at every level."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
