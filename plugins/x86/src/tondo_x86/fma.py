"""Vector fused multiply-add, ``c[i] += a[i] * b[i]``, for every register width.

Source: Intel SDM, VFMADD231PS and VFMADD231PD. One execution per cycle and port; the server cores that have 512-bit
registers have two ports for each width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tondo.ir import (
    FLOAT32,
    FLOAT64,
    LOCAL,
    Block,
    Buffer,
    Const,
    DType,
    For,
    IterVar,
    Load,
    Ramp,
    Store,
    TensorFunction,
    Var,
    dims,
    intrin,
    point,
)
from tondo.target import Intrinsic, Operand

CYCLES: Final = 0.5


@dataclass(frozen=True, slots=True)
class Width:
    """A register width: bits, and the features that an instruction of that width needs."""

    bits: int
    features: frozenset[str]


WIDTHS: Final = (
    Width(128, frozenset({"fma"})),
    Width(256, frozenset({"avx2", "fma"})),
    Width(512, frozenset({"avx512f"})),
)


def fused_multiply_add_family() -> tuple[Intrinsic, ...]:
    """Return the instruction for float32 and float64 in every width."""
    return tuple(fused_multiply_add(dtype, width) for dtype in (FLOAT32, FLOAT64) for width in WIDTHS)


def fused_multiply_add(dtype: DType, width: Width) -> Intrinsic:
    """Return the declaration for vectors of ``dtype`` that fill registers of ``width``."""
    lanes = width.bits // dtype.bits
    name = f"x86.fma.{dtype.with_lanes(lanes)}"
    a, b, c = (Buffer(label, dims((lanes,)), dtype, LOCAL) for label in "abc")
    return Intrinsic(
        name=name,
        semantics=_semantics(name, a, b, c, lanes),
        features=width.features,
        operands=(
            Operand("a", dtype, (lanes,), "read"),
            Operand("b", dtype, (lanes,), "read"),
            Operand("c", dtype, (lanes,), "update"),
        ),
        cost=CYCLES,
        emission=_emission(name, a, b, c, lanes),
    )


def _semantics(name: str, a: Buffer, b: Buffer, c: Buffer, lanes: int) -> TensorFunction:
    """One block per element: ``c[i] = c[i] + a[i] * b[i]``."""
    loop, index = Var("i"), Var("v")
    update = Store(c, (index,), c[index] + a[index] * b[index])
    block = Block(
        name="multiply_add",
        iters=(IterVar(index, Const(lanes), loop),),
        reads=(point(c, (index,)), point(a, (index,)), point(b, (index,))),
        writes=(point(c, (index,)),),
        body=update,
    )
    return TensorFunction(_function_name(name), (a, b, c), For(loop, Const(0), Const(lanes), block))


def _emission(name: str, a: Buffer, b: Buffer, c: Buffer, lanes: int) -> TensorFunction:
    """One vector statement."""
    all_lanes = (Ramp(Const(0), Const(1), lanes),)
    value = intrin("fma", Load(a, all_lanes), Load(b, all_lanes), Load(c, all_lanes))
    return TensorFunction(f"{_function_name(name)}_emitted", (a, b, c), Store(c, all_lanes, value))


def _function_name(name: str) -> str:
    return name.replace(".", "_")
