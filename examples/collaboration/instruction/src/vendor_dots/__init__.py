"""Instructions that multiply pairs of 16-bit integers and add the products."""

from __future__ import annotations

from vendor_dots.pairs import pairs

__all__ = ["pairs"]
