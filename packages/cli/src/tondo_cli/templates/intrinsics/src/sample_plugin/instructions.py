"""An instruction as data: what it computes, and how it is emitted.

``sample_plugin.mma4``   ``c[i, j] += a[i, k] * b[k, j]``, 4 x 4 x 4, float32

The compiler finds the places where the computation appears, whatever the operator was called. This one is emitted as
vector statements, which every target has; one of your hardware names its features and is emitted by :class:`LlvmCall`,
or by a code generator of your own.
"""

from __future__ import annotations

from typing import Final

from tondo.ir import FLOAT32
from tondo.script import parse
from tondo.target import Intrinsic, Operand

_FUNCTIONS: Final = """
@tensor_function
def mma4(a: Buffer((4, 4), "float32"), b: Buffer((4, 4), "float32"), c: Buffer((4, 4), "float32")):
    for i in serial(0, 4):
        for j in serial(0, 4):
            for k in serial(0, 4):
                with block("mma4"):
                    vi = spatial(4, i)
                    vj = spatial(4, j)
                    vk = reduction(4, k)
                    reads(a[vi, vk], b[vk, vj])
                    writes(c[vi, vj])
                    c[vi, vj] = c[vi, vj] + a[vi, vk] * b[vk, vj]

@tensor_function
def mma4_emitted(a: Buffer((4, 4), "float32"), b: Buffer((4, 4), "float32"), c: Buffer((4, 4), "float32")):
    for i in unrolled(0, 4):
        for k in unrolled(0, 4):
            c[i, ramp(0, 1, 4)] = fma(broadcast(a[i, k], 4), b[k, ramp(0, 1, 4)], c[i, ramp(0, 1, 4)])
"""


def matrix_multiply() -> Intrinsic:
    """Return the declaration; rows of ``b`` and ``c`` have to be contiguous."""
    functions = parse(_FUNCTIONS)
    return Intrinsic(
        name="sample_plugin.mma4",
        semantics=functions.tensor("mma4"),
        features=frozenset(),
        operands=(
            Operand("a", FLOAT32, (4, 4), "read"),
            Operand("b", FLOAT32, (4, 4), "read", strides=(None, 1)),
            Operand("c", FLOAT32, (4, 4), "update", strides=(None, 1)),
        ),
        cost=16.0,
        emission=functions.tensor("mma4_emitted"),
    )
