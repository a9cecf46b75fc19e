"""Operators that combine elements along axes: reductions, searches, running sums, softmax."""

from __future__ import annotations

from tondo_ops.reduction.arg import OPERATORS as ARG
from tondo_ops.reduction.det import OPERATORS as DET
from tondo_ops.reduction.reduce import OPERATORS as REDUCE
from tondo_ops.reduction.scan import OPERATORS as SCAN
from tondo_ops.reduction.softmax import OPERATORS as SOFTMAX
from tondo_ops.reduction.top_k import OPERATORS as TOP_K

OPERATORS = (*REDUCE, *ARG, *SCAN, *SOFTMAX, *TOP_K, *DET)

__all__ = ["OPERATORS"]
