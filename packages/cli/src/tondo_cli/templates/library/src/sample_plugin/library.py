"""Which tensor functions the kernels of this package compute.

Structure decides, never a name: a product is recognised by the roles of its loops, so products that users wrote
themselves, and those that passes made, are found as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tondo.ir import FLOAT32, TensorFunction
from tondo.passes import Miss, Offer
from tondo.target import Target
from tondo_schedule.facts import stages_of

KERNEL: Final = "sample_plugin:matmul"
"""The name that compiled code calls; the part before the colon is looked up among installed packages."""


@dataclass(frozen=True, slots=True)
class MatrixKernels:
    """Products of two float32 matrices, by numpy."""

    name: str = "sample_plugin"

    def supports(self, target: Target) -> bool:
        """Return whether ``target`` is a CPU: the kernels are Python functions."""
        return target.kind == "cpu"

    def match(self, function: TensorFunction, target: Target) -> Offer | Miss:
        """Return the kernel for ``C[m, n] = sum_k A[m, k] * B[k, n]``, or why ``function`` is something else."""
        del target
        stages = stages_of(function) or ()
        if len(stages) != 1 or stages[0].contraction is None:
            return Miss("it is no single product")
        if any(buffer.dtype != FLOAT32 for buffer in function.buffers):
            return Miss("it is not float32 throughout")
        product = stages[0].contraction
        if [len(axes) for axes in (product.batch, product.m, product.n, product.k)] != [0, 1, 1, 1]:
            return Miss("it has other axes than rows, columns and one that is summed over")
        m, n, k = (axes[0].var for axes in (product.m, product.n, product.k))
        indices = (product.left.indices, product.right.indices, stages[0].store.indices)
        if indices != ((m, k), (k, n), (m, n)):
            return Miss("an operand is transposed")
        return Offer(KERNEL)
