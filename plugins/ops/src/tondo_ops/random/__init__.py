"""Random numbers: counter-based, so that every element is computed by itself."""

from __future__ import annotations

from tondo_ops.random.philox import OPERATORS

__all__ = ["OPERATORS"]
