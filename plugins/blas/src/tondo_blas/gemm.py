"""A product as calls of ``gemm``: which operand is which, transposed or not, and the loops around the calls.

Before: a :class:`Product`. After: a tensor function with the same parameters::

    for b in serial(0, batch):
        x, y, z = views of the operands and the result from b on
        invoke_packed("openblas:sgemm", ROW_MAJOR, PLAIN, PLAIN, m, n, k, 1.0, x, k, y, n, 0.0, z, n)

Rows, columns and what is summed over each have to be one axis of memory in the buffers that they index; what is left
over of rows, columns and batches (several batches, broadcast operands, rows of several images) becomes loops. One step
of each buffer has to be 1. Where the left operand does not fit, its elements are first copied to columns that do
(im2col, :mod:`tondo_blas.columns`). A bias is written to the result before, which ``gemm`` then adds to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tondo.arith import Analyzer
from tondo.ir import (
    FLOAT32,
    INT64,
    Buffer,
    Const,
    Expr,
    For,
    Invoke,
    IterVar,
    Load,
    Stmt,
    Store,
    TensorFunction,
    Var,
    View,
    add,
    mul,
    seq,
    substitute,
)
from tondo.passes import Miss
from tondo_blas.loops import nest
from tondo_blas.product import Product
from tondo_blas.runtime import PLAIN, ROW_MAJOR, SCHEME, TRANSPOSED
from tondo_blas.steps import Axis, Steps, axes_of

UNKNOWN: Final = 64
"""How large an unknown extent is taken to be where the larger of two axes is chosen."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A matrix in memory: its buffer and the steps of the variables that index it."""

    buffer: Buffer
    steps: Steps


@dataclass(frozen=True, slots=True)
class Call:
    """One ``gemm`` and what is around it.

    Attributes:
        rows: axis of the rows of the result in row-major order.
        columns: axis of its columns.
        depth: axis that is summed over.
        left: operand of the rows.
        right: operand of the columns.
        out: the result.
        loops: variables of the loops around.
    """

    rows: Axis
    columns: Axis
    depth: Axis
    left: Operand
    right: Operand
    out: Operand
    loops: tuple[IterVar, ...]


@dataclass(frozen=True, slots=True)
class Roles:
    """The axes of a product: those of the one call, and the variables of the loops around."""

    m: Axis
    n: Axis
    k: Axis
    loops: tuple[IterVar, ...]


def roles_of(product: Product, left: Steps | None, right: Steps, out: Steps, known: Analyzer) -> Roles | Miss:
    """Return the axes of ``product``; ``left`` None: the left operand will be laid out to fit."""
    found = product.contraction
    m = axes_of(found.m, [out] if left is None else [left, out], known)
    n = axes_of(found.n, [right, out], known)
    k = axes_of(found.k, [right] if left is None else [left, right], known)
    if len(k) > 1:
        return Miss("what is summed over does not lie in one stretch, or not in the same order in both operands")
    (one_m, rest_m), (one_n, rest_n) = _best(m, out), _best(n, out)
    batch = [it for it in found.batch if it.extent != Const(1)]
    loops = (*batch, *rest_m, *rest_n)
    return Roles(one_m, one_n, k[0] if k else Axis((), Const(1)), loops)


def _best(axes: Sequence[Axis], out: Steps) -> tuple[Axis, list[IterVar]]:
    """Return the axis of the calls, one whose results lie side by side before a larger one, and the other variables."""
    if not axes:
        return Axis((), Const(1)), []
    best = max(axes, key=lambda axis: (_is_one(axis, out), _size(axis.extent)))
    return best, [it for axis in axes if axis is not best for it in axis.iters]


def _size(extent: Expr) -> int:
    return int(extent.value) if isinstance(extent, Const) else UNKNOWN


def call_of(roles: Roles, left: Operand, right: Operand, out: Operand, known: Analyzer) -> Call | Miss:
    """Return the ``gemm`` of ``roles``, with the operands exchanged if the rows of the result lie side by side."""
    if _is_one(roles.n, out.steps):
        call = Call(roles.m, roles.n, roles.k, left, right, out, roles.loops)
    elif _is_one(roles.m, out.steps):
        call = Call(roles.n, roles.m, roles.k, right, left, out, roles.loops)
    else:
        return Miss("neither rows nor columns of the result lie side by side")
    matrices = ((call.rows, call.depth, left), (call.depth, call.columns, right), (call.rows, call.columns, out))
    operands = (call.left, call.right, call.out)
    for (outer, inner, _), operand in zip(matrices, operands, strict=True):
        if _orientation(outer, inner, operand.steps, known) is None:
            return Miss(f"no elements of '{operand.buffer.name}' lie side by side, or its rows overlap")
    return call


def _is_one(axis: Axis, steps: Steps) -> bool:
    """Whether neighbours along ``axis`` lie side by side."""
    return axis.extent == Const(1) or axis.step(steps) == Const(1)


def _orientation(outer: Axis, inner: Axis, steps: Steps, known: Analyzer) -> tuple[int, Expr] | None:
    """Return whether a matrix is transposed, and its leading dimension; None if neither axis lies side by side."""
    for transposed, (far, near) in ((PLAIN, (outer, inner)), (TRANSPOSED, (inner, outer))):
        if not _is_one(near, steps):
            continue
        if far.extent == Const(1):
            return transposed, near.extent
        if known.prove(far.step(steps) >= near.extent):
            return transposed, far.step(steps)
    return None


def emit(product: Product, call: Call, known: Analyzer, before: tuple[Stmt, frozenset[Var]] | None = None) -> Stmt:
    """Return the loops with the call; the result holds the bias already if there is one.

    Args:
        product: what is computed.
        call: how.
        known: ranges of the variables of the product.
        before: what runs before the calls, in the loops over the variables that it depends on.
    """
    sides = {"a": call.left, "b": call.right, "c": call.out}
    views = {
        name: Buffer(f"{name}_at", (_span(call, operand, known),), operand.buffer.dtype)
        for name, operand in sides.items()
    }
    dtype = product.output.dtype
    trans_a, lead_a = _must(_orientation(call.rows, call.depth, call.left.steps, known))
    trans_b, lead_b = _must(_orientation(call.depth, call.columns, call.right.steps, known))
    _, lead_c = _must(_orientation(call.rows, call.columns, call.out.steps, known))
    beta = 0.0 if product.bias is None else 1.0
    args: tuple[Buffer | Expr, ...] = (
        *(Const(number) for number in (ROW_MAJOR, trans_a, trans_b)),
        *(axis.extent for axis in (call.rows, call.columns, call.depth)),
        Const(1.0, dtype),
        views["a"],
        lead_a,
        views["b"],
        lead_b,
        Const(beta, dtype),
        views["c"],
        lead_c,
    )
    body: Stmt = Invoke(f"{SCHEME}:{'sgemm' if dtype == FLOAT32 else 'dgemm'}", args, True)
    for name, operand in sides.items():
        start: Expr = Const(0)
        for it in call.loops:
            start = add(start, mul(it.var, operand.steps[it.var]))
        body = View(views[name], operand.buffer, known.simplify(mul(start, dtype.bytes)), body)
    stmt, outer = before or (None, frozenset[Var]())
    for it in call.loops:
        body = body if it.var in outer else For(it.var, Const(0), it.extent, body, "serial")
    body = body if stmt is None else seq(stmt, body)
    for it in reversed(call.loops):
        body = For(it.var, Const(0), it.extent, body, "serial") if it.var in outer else body
    return body


def _must(found: tuple[int, Expr] | None) -> tuple[int, Expr]:
    assert found is not None
    return found


def _span(call: Call, operand: Operand, known: Analyzer) -> Expr:
    """Return how many elements of ``operand`` one call reaches."""
    last: Expr = Const(0)
    for axis in (call.rows, call.columns, call.depth):
        last = add(last, mul(add(axis.extent, -1), axis.step(operand.steps)))
    return known.simplify(add(last, 1))


def fill_bias(product: Product, lanes: int) -> Stmt | None:
    """Return the loops that write the bias to the result; None without a bias."""
    if product.bias is None:
        return None
    variables = [Var(f"j{place}", INT64) for place, _ in enumerate(product.output.shape)]
    names: dict[Var, Expr] = {
        index: var for index, var in zip(product.indices, variables, strict=True) if isinstance(index, Var)
    }
    bias = Load(product.bias.buffer, tuple(substitute(index, names) for index in product.bias.indices))
    loops = list(zip(variables, product.output.shape, strict=True))
    return nest(loops, Store(product.output, tuple(variables), bias), lanes)


def threads(count: int) -> Stmt:
    """Return the call that sets how many threads the products that follow use."""
    return Invoke(f"{SCHEME}:threads", (Const(count),), True)


def made(function: TensorFunction, *stmts: Stmt | None) -> TensorFunction:
    """Return a function with the parameters of ``function`` that runs ``stmts``."""
    body = seq(*(stmt for stmt in stmts if stmt is not None))
    return TensorFunction(function.name, function.params, body, function.outputs, span=function.span)
