"""The reference interpreter: numpy semantics of expressions, tensor functions and graphs, at every stage.

It is the oracle for passes, schedule primitives and intrinsics, and the back end of the ``interp`` target.
"""

from __future__ import annotations

from tondo.interp.expressions import evaluate_expr
from tondo.interp.graph import run_graph
from tondo.interp.tensor import run_tensor_function

__all__ = ["evaluate_expr", "run_graph", "run_tensor_function"]
