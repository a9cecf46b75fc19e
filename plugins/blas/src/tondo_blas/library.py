"""The library ``openblas``: products of matrices, batches of them, transposed operands, convolutions by im2col.

It offers tensor functions that call ``gemm`` (:mod:`tondo_blas.gemm`), for elements of float32 and float64 and sizes
that may be symbolic. Recognised by facts; every function that it does not take has a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tondo.arith import Analyzer
from tondo.ir import Allocate, Const, Expr, TensorFunction, mul, seq
from tondo.passes import Miss, Offer
from tondo.target import Target
from tondo_blas.columns import Columns, columns_of
from tondo_blas.gemm import Call, Operand, call_of, emit, fill_bias, made, roles_of, threads
from tondo_blas.product import Product, inside, product_of
from tondo_blas.steps import steps_of

SHARE: Final = 0.6
"""Share of the peak that its kernels are taken to reach, before anything is measured."""
CYCLES: Final = 3e9
UNITS: Final = 2
BYTES: Final = 10e9
_LARGEST: Final = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class OpenBlas:
    """Products by OpenBLAS."""

    name: str = "openblas"

    def supports(self, target: Target) -> bool:
        """Return whether ``target`` is a CPU that the wheels of OpenBLAS are for: 64-bit x86 or Arm."""
        return target.kind == "cpu" and target.arch in {"x86_64", "aarch64", "arm64"}

    def match(self, function: TensorFunction, target: Target) -> Offer | Miss:
        """Return a function that calls ``gemm`` for what ``function`` computes, or why there is none."""
        product = product_of(function)
        if isinstance(product, Miss):
            return product
        known = inside(product)
        found = _plan(product, known, target)
        if isinstance(found, Miss):
            return found
        call, columns = found
        extents = (call.rows.extent, call.columns.extent, call.depth.extent)
        if any(isinstance(extent, Const) and int(extent.value) > _LARGEST for extent in extents):
            return Miss("an extent does not fit 32 bits")
        lanes = target.lanes(product.output.dtype)
        body = emit(product, call, known, columns and (columns.fill, columns.outer))
        if columns is not None:
            body = Allocate(columns.operand.buffer, body)
        brought = made(function, seq(threads(target.threads)), fill_bias(product, lanes), body)
        return Offer(seconds=_seconds(product, columns, target), function=brought)


def _plan(product: Product, known: Analyzer, target: Target) -> tuple[Call, Columns | None] | Miss:
    """Return the call, and the copy of the left operand that it needs, None if it needs none."""
    contraction, iters = product.contraction, product.stage.block.iters
    right = steps_of(contraction.right.buffer, contraction.right.indices, iters, known)
    out = steps_of(product.output, product.indices, iters, known)
    if right is None or out is None:
        return Miss("the right operand or the result is indexed by more than multiples of its axes")
    operands = (Operand(contraction.right.buffer, right), Operand(product.output, out))
    reason = Miss("its left operand is padded")
    if not product.padded and product.source == contraction.left.buffer:
        left = steps_of(contraction.left.buffer, contraction.left.indices, iters, known)
        if left is not None:
            roles = roles_of(product, left, right, out, known)
            call = roles
            if not isinstance(roles, Miss):
                call = call_of(roles, Operand(contraction.left.buffer, left), *operands, known)
            if isinstance(call, Call):
                return call, None
            assert isinstance(call, Miss)
            reason = call
    roles = roles_of(product, None, right, out, known)
    if isinstance(roles, Miss) or not roles.m.iters:
        return reason if not isinstance(roles, Miss) else roles
    columns = columns_of(product, roles, known, target.lanes(product.output.dtype), parallel=target.threads > 1)
    call = call_of(roles, columns.operand, *operands, known)
    return call if isinstance(call, Miss) else (call, columns)


def _seconds(product: Product, columns: Columns | None, target: Target) -> float | None:
    """Return about what a call takes; None where sizes are not known."""
    points = product.stage.points
    copied: Expr = Const(0)
    if columns is not None:
        copied = Const(2 * product.output.dtype.bytes)
        for extent in columns.operand.buffer.shape:
            copied = mul(copied, extent)
        for it in product.stage.block.iters:
            copied = mul(copied, it.extent) if it.var in columns.outer else copied
    if not isinstance(points, Const) or not isinstance(copied, Const):
        return None
    rate = 2 * UNITS * CYCLES * target.lanes(product.output.dtype) * target.threads
    return 2 * int(points.value) / (SHARE * rate) + int(copied.value) / BYTES
