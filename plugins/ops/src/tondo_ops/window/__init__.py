"""Operators that slide a window over spatial dimensions: convolution, pooling, local response normalisation."""

from __future__ import annotations

from tondo_ops.window.conv import OPERATORS as CONV
from tondo_ops.window.conv_transpose import OPERATORS as CONV_TRANSPOSE
from tondo_ops.window.pool import OPERATORS as POOL

OPERATORS = (*CONV, *CONV_TRANSPOSE, *POOL)

__all__ = ["OPERATORS"]
