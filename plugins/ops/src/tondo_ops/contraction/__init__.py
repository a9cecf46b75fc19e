"""Sums of products over axes: matrix products and Einstein sums."""

from __future__ import annotations

from tondo_ops.contraction.einsum import OPERATORS as EINSUM
from tondo_ops.contraction.gemm import OPERATORS as GEMM
from tondo_ops.contraction.matmul import OPERATORS as MATMUL

OPERATORS = (*MATMUL, *GEMM, *EINSUM)

__all__ = ["OPERATORS"]
