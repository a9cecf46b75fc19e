"""``fixed.linear``: ``y = max(0, scale * (x @ w.T))`` with 16-bit factors and exact 32-bit sums."""

from __future__ import annotations

import tondo

# The body is script: names such as Buffer and range(m) have no meaning to Python.
# ruff: noqa: F821, ANN201


@tondo.operator(name="fixed.linear", onnx="fixed::Linear")
def linear(
    x: Buffer((m, k), "int16"), w: Buffer((n, k), "int16"), scale: Buffer((n,), "float32"), y: Buffer((m, n), "float32")
):
    """Multiply rows of ``x`` by rows of ``w``, scale the sums, and keep what is positive."""
    total = allocate((m, n), "int32")
    for i in range(m):
        for j in range(n):
            total[i, j] = 0
            for l in range(k):
                total[i, j] += cast("int32", x[i, l]) * cast("int32", w[j, l])
            y[i, j] = max(cast("float32", total[i, j]) * scale[j], 0.0)
