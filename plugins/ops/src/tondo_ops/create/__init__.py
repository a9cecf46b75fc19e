"""Operators that create tensors from numbers and sizes."""

from __future__ import annotations

from tondo_ops.create.fill import OPERATORS as FILL
from tondo_ops.create.one_hot import OPERATORS as ONE_HOT

OPERATORS = (*FILL, *ONE_HOT)

__all__ = ["OPERATORS"]
