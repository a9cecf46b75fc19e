"""A schedule rule for sums of products along contiguous rows."""

from __future__ import annotations

from dot_rule.rule import RowDots

__all__ = ["RowDots"]
