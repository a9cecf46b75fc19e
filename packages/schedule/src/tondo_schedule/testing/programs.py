"""Tensor functions that several tests schedule."""

from __future__ import annotations

from tondo.ir import FLOAT32, Compute, Expr, TensorFunction, TensorType, Var, dims


def matmul(m: int | Var, n: int, k: int, *, transposed: bool = False) -> TensorFunction:
    """Return ``C = A @ B``, or ``A @ B.T``, in float32; ``C`` is ``m`` by ``n``, the sum runs over ``k``."""
    builder = Compute("matmul")
    a = builder.input("A", TensorType(dims((m, k)), FLOAT32))
    b = builder.input("B", TensorType(dims((n, k) if transposed else (k, n)), FLOAT32))

    def product(i: Expr, j: Expr, r: Expr) -> Expr:
        return a[i, r] * (b[j, r] if transposed else b[r, j])

    return builder.build(builder.reduce("C", (m, n), (k,), product))
