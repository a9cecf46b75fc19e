"""A contraction that a user writes in script, with odd sizes and an epilogue, which no operator and no rule names.

``O[b, i, j] = max(sum_k A[b, k, i] * B[j, k] + C[j], 0)``: both operands lie the wrong way round for a matrix product.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from tondo.ir import IRModule
from tondo.script import parse
from tondo_bench.engines.task import Task
from tondo_bench.roofline import measured

BATCH, ROWS, COLUMNS, DEPTH = 3, 131, 517, 389

_TEXT = f"""
@tensor_function
def contraction(
    A: Buffer(({BATCH}, {DEPTH}, {ROWS}), "float32"),
    B: Buffer(({COLUMNS}, {DEPTH}), "float32"),
    C: Buffer(({COLUMNS},), "float32"),
    O: Buffer(({BATCH}, {ROWS}, {COLUMNS}), "float32"),
):
    S = allocate(({BATCH}, {ROWS}, {COLUMNS}), "float32")
    for b0 in serial({BATCH}):
        for i0 in serial({ROWS}):
            for j0 in serial({COLUMNS}):
                for k0 in serial({DEPTH}):
                    with block("sum"):
                        b = spatial({BATCH}, b0)
                        i = spatial({ROWS}, i0)
                        j = spatial({COLUMNS}, j0)
                        k = reduction({DEPTH}, k0)
                        reads(A[b, k, i], B[j, k])
                        writes(S[b, i, j])
                        with init():
                            S[b, i, j] = 0.0
                        S[b, i, j] = S[b, i, j] + A[b, k, i] * B[j, k]
    for b1 in serial({BATCH}):
        for i1 in serial({ROWS}):
            for j1 in serial({COLUMNS}):
                with block("epilogue"):
                    b = spatial({BATCH}, b1)
                    i = spatial({ROWS}, i1)
                    j = spatial({COLUMNS}, j1)
                    reads(S[b, i, j], C[j])
                    writes(O[b, i, j])
                    O[b, i, j] = max(S[b, i, j] + C[j], 0.0)

@graph_function
def main(
    A: Tensor(({BATCH}, {DEPTH}, {ROWS}), "float32"),
    B: Tensor(({COLUMNS}, {DEPTH}), "float32"),
    C: Tensor(({COLUMNS},), "float32"),
):
    O: Tensor(({BATCH}, {ROWS}, {COLUMNS}), "float32") = call_dps("contraction", A, B, C)
    return O
"""


def module() -> IRModule:
    """Return the contraction as a module of its own."""
    return parse(_TEXT)


def inputs(seed: int = 0) -> dict[str, np.ndarray]:
    """Return seeded operands."""
    rng = np.random.default_rng(seed)
    shapes = {"A": (BATCH, DEPTH, ROWS), "B": (COLUMNS, DEPTH), "C": (COLUMNS,)}
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


def measure(target: str | None, calls: int) -> dict[str, object]:
    """Return peaks and kernels, as :func:`tondo_bench.roofline.measure` does for models; runs inside a worker."""
    task = Task("handwritten", "", inputs(), threads=1, target=target)
    kernels, call, peaks = measured(module(), task, calls)
    return {
        "peak_flops": peaks.flops,
        "peak_bytes": peaks.bytes,
        "call_seconds": call,
        "kernels": [asdict(kernel) for kernel in kernels],
    }
