"""The work-claiming thread pool as LLVM IR text: part of every artifact that runs more than one thread."""

from __future__ import annotations

from tondo_llvm.pool.ir import POOL_SYMBOLS, pool_ir
from tondo_llvm.pool.workers import POOL_VERSION

__all__ = ["POOL_SYMBOLS", "POOL_VERSION", "pool_ir"]
