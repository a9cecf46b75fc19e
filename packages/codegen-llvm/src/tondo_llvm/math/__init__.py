"""Mathematical functions of vectors as LLVM IR text, each with a stated error bound.

Single precision is computed in vector registers, without tables and without a branch in the usual case. Double
precision calls the C library lane by lane.
"""

from __future__ import annotations

from tondo_llvm.math.features import machine_features
from tondo_llvm.math.function import MATH_FUNCTIONS, FloatType, MathFunction, arity, math_function

__all__ = ["MATH_FUNCTIONS", "FloatType", "MathFunction", "arity", "machine_features", "math_function"]
