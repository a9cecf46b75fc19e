"""Patterns of instruction families: what members compute, by parameters that rules and families agree on.

``multiply_add_tile(dtype, lanes, rows, vectors, depth)``::

    c[r, n] += a[r, k] * b[k, n]      r < rows, k < depth, n < vectors * lanes

A register tile: ``c`` stays in ``rows * vectors`` registers of ``lanes`` elements, a step loads ``vectors`` registers
of ``b`` and broadcasts ``rows`` elements of ``a``.
"""

from __future__ import annotations

from typing import Final

from tondo.ir import (
    LOCAL,
    Block,
    Buffer,
    Const,
    DType,
    Expr,
    For,
    IterVar,
    Load,
    Stmt,
    Store,
    TensorFunction,
    Var,
    add,
    dims,
    intrin,
    mul,
    point_regions,
)
from tondo.target.intrinsic import Intrinsic, Operand

MULTIPLY_ADD_TILE: Final = "multiply_add_tile"


def multiply_add_tile(
    name: str,
    dtype: DType,
    lanes: int,
    rows: int,
    vectors: int,
    depth: int,
    *,
    features: frozenset[str],
    cycles: float,
    fused: bool,
) -> Intrinsic:
    """Return the member of the pattern ``multiply_add_tile`` for the given parameters.

    Args:
        name: name of the family; the member's says the parameters, too.
        dtype: of all elements.
        lanes: elements of a register.
        rows: rows of the tile.
        vectors: registers per row.
        depth: steps of the sum.
        features: what the target must have.
        cycles: cost of one vector multiply-add.
        fused: whether the product is added by the same instruction, rounded once.
    """
    own = f"{name}.{dtype.with_lanes(lanes)}.{rows}x{vectors}x{depth}"
    columns = vectors * lanes
    shapes = {"a": (rows, depth), "b": (depth, columns), "c": (rows, columns)}
    a, b, c = (Buffer(label, dims(shape), dtype, LOCAL) for label, shape in shapes.items())
    r, k, v, lane = Var("r"), Var("k"), Var("v"), Var("l")
    column = add(mul(v, lanes), lane)
    extents = {r: rows, k: depth, v: vectors, lane: lanes}

    row, step, place = Var("row"), Var("step"), Var("column")
    iters = (
        IterVar(row, Const(rows), r),
        IterVar(place, Const(columns), column),
        IterVar(step, Const(depth), k, "reduction"),
    )
    update = Store(c, (row, place), add(c[row, place], mul(a[row, step], b[step, place])))
    semantics: Stmt = Block("multiply_add", iters, *point_regions(update), update)
    for var, extent in reversed(extents.items()):
        semantics = For(var, Const(0), Const(extent), semantics)

    product: tuple[Expr, Expr, Expr] = (a[r, k], b[k, column], Load(c, (r, column)))
    value = intrin("fma", *product) if fused else add(product[2], mul(product[0], product[1]))
    emission: Stmt = For(lane, Const(0), Const(lanes), Store(c, (r, column), value), "vectorized")
    for var in (v, r, k):
        emission = For(var, Const(0), Const(extents[var]), emission, "unrolled")
    return Intrinsic(
        name=own,
        semantics=TensorFunction(own.replace(".", "_"), (a, b, c), semantics),
        features=features,
        operands=(
            Operand("a", dtype, shapes["a"], "read"),
            Operand("b", dtype, shapes["b"], "read", strides=(None, 1)),
            Operand("c", dtype, shapes["c"], "update", strides=(None, 1)),
        ),
        cost=cycles * rows * vectors * depth,
        emission=TensorFunction(f"{own.replace('.', '_')}_emitted", (a, b, c), emission),
    )
