"""The instructions that the accelerator declares: what each computes, on which memories.

The compiler matches these against the loops of a program, so they are used wherever their computation appears. They
are emitted by the code generator of this package: products from the block that carries their name, transfers from
every block that matches.
"""

from __future__ import annotations

from typing import Final

from tondo.ir import (
    FLOAT32,
    GLOBAL,
    Buffer,
    Const,
    For,
    IterVar,
    Load,
    Stmt,
    Store,
    TensorFunction,
    Var,
    add,
    dims,
    mul,
    nest,
)
from tondo.target import Intrinsic, Operand
from tondo_npu.machine import ACCUMULATOR, FEATURE, SCRATCHPAD, TILE
from tondo_npu_runtime.machine import ELEMENT, MACHINE

_FEATURES: Final = frozenset({FEATURE})


def _matmul() -> Intrinsic:
    """``c[i, j] += a[i, k] * b[k, j]`` for 16 x 16 x 16; rows of each operand lie any distance apart."""
    a, b = (Buffer(name, dims((TILE, TILE)), FLOAT32, SCRATCHPAD) for name in ("a", "b"))
    c = Buffer("c", dims((TILE, TILE)), FLOAT32, ACCUMULATOR)
    i, j, k = Var("i"), Var("j"), Var("k")
    iters = (
        IterVar(i, Const(TILE), Var("i_l")),
        IterVar(j, Const(TILE), Var("j_l")),
        IterVar(k, Const(TILE), Var("k_l"), "reduction"),
    )
    update = Store(c, (i, j), add(Load(c, (i, j)), mul(a[i, k], b[k, j])))
    semantics = TensorFunction("npu_matmul_16x16x16", (a, b, c), nest("matmul", iters, update))
    rows = (None, 1)
    return Intrinsic(
        name="npu.matmul.16x16x16",
        semantics=semantics,
        features=_FEATURES,
        operands=(
            Operand("a", FLOAT32, (TILE, TILE), "read", SCRATCHPAD, rows),
            Operand("b", FLOAT32, (TILE, TILE), "read", SCRATCHPAD, rows),
            Operand("c", FLOAT32, (TILE, TILE), "update", ACCUMULATOR, rows),
        ),
        cost=float(TILE),
        emission=_emission(a, b, c),
    )


def _emission(a: Buffer, b: Buffer, c: Buffer) -> TensorFunction:
    """The same as plain loops: what the block of the instruction holds for whoever reads or interprets it."""
    i, j, k = Var("i"), Var("j"), Var("k")
    body: Stmt = Store(c, (i, j), add(Load(c, (i, j)), mul(a[i, k], b[k, j])))
    for var in (k, j, i):
        body = For(var, Const(0), Const(TILE), body)
    return TensorFunction("npu_matmul_emitted", (a, b, c), body)


def _copy(name: str, source: str, target: str) -> Intrinsic:
    """``b[0] = a[0]`` between two memories: what the DMA engine does for every element of a transfer.

    It goes through the elements by itself, at addresses affine in its axes and in digits of them; a LOAD brings zero
    where its guards say that there is no element.
    """
    a, b = Buffer("a", dims((1,)), FLOAT32, source), Buffer("b", dims((1,)), FLOAT32, target)
    i = Var("i")
    copying = nest("copy", (IterVar(i, Const(1), Var("i_l")),), Store(b, (i,), a[i]))
    semantics = TensorFunction(name.replace(".", "_"), (a, b), copying)
    return Intrinsic(
        name=name,
        semantics=semantics,
        features=_FEATURES,
        operands=(Operand("a", FLOAT32, (1,), "read", source), Operand("b", FLOAT32, (1,), "write", target)),
        cost=ELEMENT / MACHINE.dma_bytes,
        emission=semantics,
    )


MATMUL: Final = _matmul()
DMA_LOAD: Final = _copy("npu.dma.load", GLOBAL, SCRATCHPAD)
DMA_STORE: Final = _copy("npu.dma.store", SCRATCHPAD, GLOBAL)
INTRINSICS: Final = (MATMUL, DMA_LOAD, DMA_STORE)
