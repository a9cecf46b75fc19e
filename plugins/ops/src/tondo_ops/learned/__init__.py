"""Operators of classical learned models."""

from __future__ import annotations

from tondo_ops.learned.trees import OPERATORS

__all__ = ["OPERATORS"]
