"""Operators that read between the elements: at coordinates that are computed or given at run time."""

from __future__ import annotations

from tondo_ops.sample.deform import OPERATORS as DEFORM
from tondo_ops.sample.grid import OPERATORS as GRID
from tondo_ops.sample.roi import OPERATORS as ROI
from tondo_ops.sample.suppress import OPERATORS as SUPPRESS

OPERATORS = (*GRID, *ROI, *DEFORM, *SUPPRESS)

__all__ = ["OPERATORS"]
