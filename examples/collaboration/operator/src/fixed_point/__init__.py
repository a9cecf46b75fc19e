"""A linear layer of 16-bit integers, as an operator."""

from __future__ import annotations

from fixed_point.linear import linear

__all__ = ["linear"]
