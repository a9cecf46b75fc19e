"""``c[i] += a[i, 0] * b[i, 0] + a[i, 1] * b[i, 1]``, 16-bit factors, 32-bit sums, for every register width.

Source: Intel SDM, PMADDWD. Sums wrap around, as those of the semantics do.
"""

from __future__ import annotations

from tondo.ir import INT32, TensorFunction, dtype
from tondo.script import parse
from tondo.target import Intrinsic, Operand

WIDTHS = {4: ("sse2", "llvm.x86.sse2.pmadd.wd"), 8: ("avx2", "llvm.x86.avx2.pmadd.wd"),
          16: ("avx512bw", "llvm.x86.avx512.pmaddw.d.512")}  # fmt: skip
"""By lanes of the sums: the feature that the instruction needs, and LLVM's name of it."""

_TEXT = """
@tensor_function
def pairs(a: Buffer(({n}, 2), "int16"), b: Buffer(({n}, 2), "int16"), c: Buffer(({n},), "int32")):
    for i in serial({n}):
        for k in serial(2):
            with block("pairs"):
                lane = spatial({n}, i)
                pair = reduction(2, k)
                reads(a[lane, pair], b[lane, pair])
                writes(c[lane])
                c[lane] = c[lane] + cast("int32", a[lane, pair]) * cast("int32", b[lane, pair])


@tensor_function
def emitted(a: Buffer(({n}, 2), "int16"), b: Buffer(({n}, 2), "int16"), c: Buffer(({n},), "int32")):
    c[ramp(0, 1, {n})] = c[ramp(0, 1, {n})] + intrin(
        "{llvm}",
        a[ramp(0, 1, {m}) // 2, ramp(0, 1, {m}) % 2],
        b[ramp(0, 1, {m}) // 2, ramp(0, 1, {m}) % 2],
        dtype="int32x{n}",
    )
"""


def pairs(lanes: int) -> Intrinsic:
    """Return the instruction with ``lanes`` sums."""
    feature, llvm = WIDTHS[lanes]
    functions = parse(_TEXT.format(n=lanes, m=2 * lanes, llvm=llvm)).functions
    semantics, emission = functions["pairs"], functions["emitted"]
    assert isinstance(semantics, TensorFunction)
    assert isinstance(emission, TensorFunction)
    factor = dtype("int16")
    return Intrinsic(
        name=f"vendor.pairs.int16x{2 * lanes}",
        semantics=semantics,
        features=frozenset({feature}),
        operands=(
            Operand("a", factor, (lanes, 2), "read", strides=(2, 1)),
            Operand("b", factor, (lanes, 2), "read", strides=(2, 1)),
            Operand("c", INT32, (lanes,), "update", strides=(1,)),
        ),
        cost=1.0,
        emission=emission,
    )
