"""Made-up instructions, to test and to show how schedules use declared ones.

``mma4``      ``c[i, j] += a[i, k] * b[k, j]``, 4 x 4 x 4, float32: a matrix unit; rows of b and c contiguous
``dot4``      ``c[i] += a[k] * b[i, k]``, 4 x 4, float32: a row of sums; a and rows of b contiguous
``dot4i8``    ``c[i] += int32(a[k]) * int32(b[i, k])``, 8 x 4, int8 to int32: a byte dot product per lane; b compact
``outer4x16`` ``c[i, j] += a[i] * b[j]``, 4 x 16, float32: a rank-one update; b and rows of c contiguous
``double4``   ``b[i] = a[i] * 2``, 4, float32: a vector
"""

from __future__ import annotations

from typing import Final

from tondo.ir import FLOAT32, INT8, INT32, TensorFunction
from tondo.script import parse
from tondo.target import Intrinsic, Operand

_SEMANTICS: Final = """
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

@tensor_function
def dot4(a: Buffer((4,), "float32"), b: Buffer((4, 4), "float32"), c: Buffer((4,), "float32")):
    for i in serial(0, 4):
        for k in serial(0, 4):
            with block("dot4"):
                vi = spatial(4, i)
                vk = reduction(4, k)
                reads(a[vk], b[vi, vk])
                writes(c[vi])
                c[vi] = c[vi] + a[vk] * b[vi, vk]

@tensor_function
def dot4_emitted(a: Buffer((4,), "float32"), b: Buffer((4, 4), "float32"), c: Buffer((4,), "float32")):
    for i in unrolled(0, 4):
        c[i] = c[i] + intrin("reduce_add", a[ramp(0, 1, 4)] * b[i, ramp(0, 1, 4)], dtype="float32")

@tensor_function
def dot4i8(a: Buffer((4,), "int8"), b: Buffer((8, 4), "int8"), c: Buffer((8,), "int32")):
    for i in serial(0, 8):
        for k in serial(0, 4):
            with block("dot4i8"):
                vi = spatial(8, i)
                vk = reduction(4, k)
                reads(a[vk], b[vi, vk])
                writes(c[vi])
                c[vi] = c[vi] + cast("int32", a[vk]) * cast("int32", b[vi, vk])

@tensor_function
def dot4i8_emitted(a: Buffer((4,), "int8"), b: Buffer((8, 4), "int8"), c: Buffer((8,), "int32")):
    for k in unrolled(0, 4):
        c[ramp(0, 1, 8)] = c[ramp(0, 1, 8)] + broadcast(cast("int32", a[k]), 8) * cast("int32x8", b[ramp(0, 1, 8), k])

@tensor_function
def outer4x16(a: Buffer((4,), "float32"), b: Buffer((16,), "float32"), c: Buffer((4, 16), "float32")):
    for i in serial(0, 4):
        for j in serial(0, 16):
            with block("outer4x16"):
                vi = spatial(4, i)
                vj = spatial(16, j)
                reads(a[vi], b[vj])
                writes(c[vi, vj])
                c[vi, vj] = c[vi, vj] + a[vi] * b[vj]

@tensor_function
def outer4x16_emitted(a: Buffer((4,), "float32"), b: Buffer((16,), "float32"), c: Buffer((4, 16), "float32")):
    for i in unrolled(0, 4):
        c[i, ramp(0, 1, 16)] = fma(broadcast(a[i], 16), b[ramp(0, 1, 16)], c[i, ramp(0, 1, 16)])

@tensor_function
def double4(a: Buffer((4,), "float32"), b: Buffer((4,), "float32")):
    for i in serial(0, 4):
        with block("double4"):
            v = spatial(4, i)
            reads(a[v])
            writes(b[v])
            b[v] = a[v] * 2.0

@tensor_function
def double4_emitted(a: Buffer((4,), "float32"), b: Buffer((4,), "float32")):
    b[ramp(0, 1, 4)] = a[ramp(0, 1, 4)] * broadcast(2.0, 4)
"""


def made_up_intrinsics() -> dict[str, Intrinsic]:
    """Return the instructions by name; each one needs no feature and costs a cycle per 16 products."""
    functions = {name: item for name, item in parse(_SEMANTICS).functions.items() if isinstance(item, TensorFunction)}

    def declare(name: str, cost: float, *operands: Operand) -> Intrinsic:
        return Intrinsic(name, functions[name], frozenset(), operands, cost, functions[f"{name}_emitted"])

    entries = (
        declare(
            "mma4",
            4.0,
            Operand("a", FLOAT32, (4, 4), "read"),
            Operand("b", FLOAT32, (4, 4), "read", strides=(None, 1)),
            Operand("c", FLOAT32, (4, 4), "update", strides=(None, 1)),
        ),
        declare(
            "dot4",
            1.0,
            Operand("a", FLOAT32, (4,), "read", strides=(1,)),
            Operand("b", FLOAT32, (4, 4), "read", strides=(None, 1)),
            Operand("c", FLOAT32, (4,), "update"),
        ),
        declare(
            "dot4i8",
            2.0,
            Operand("a", INT8, (4,), "read"),
            Operand("b", INT8, (8, 4), "read", strides=(4, 1)),
            Operand("c", INT32, (8,), "update", strides=(1,)),
        ),
        declare(
            "outer4x16",
            4.0,
            Operand("a", FLOAT32, (4,), "read"),
            Operand("b", FLOAT32, (16,), "read", strides=(1,)),
            Operand("c", FLOAT32, (4, 16), "update", strides=(None, 1)),
        ),
        declare(
            "double4",
            1.0,
            Operand("a", FLOAT32, (4,), "read", strides=(1,)),
            Operand("b", FLOAT32, (4,), "write", strides=(1,)),
        ),
    )
    return {entry.name: entry for entry in entries}
