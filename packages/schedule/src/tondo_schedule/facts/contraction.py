"""Contractions: sums of products, and the role of each axis.

A block ``O[..] = O[..] + A[..] * B[..]`` is a contraction. The roles follow from which operand an axis indexes:

=======  ==========================================  ======================================
batch    output, left and right                      independent products
m        output and left only                        rows
n        output and right only                       columns
k        left and right, not the output              summed over
=======  ==========================================  ======================================

A convolution is a contraction whose left index is affine in (row, kernel): there the kernel axes are k axes and the
rows m axes. An axis of extent 1 that indexes neither operand counts as rows, if there are rows or columns besides.
The right operand is the one that every axis indexes plainly (weights), if there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

from tondo.ir import Binary, Block, Cast, Const, Expr, IterVar, Load, Store, Var, is_const, walk


@dataclass(frozen=True, slots=True)
class Contraction:
    """The operands of a contraction block and its iteration variables by role, in the order of the block."""

    left: Load
    right: Load
    batch: tuple[IterVar, ...]
    m: tuple[IterVar, ...]
    n: tuple[IterVar, ...]
    k: tuple[IterVar, ...]


def contraction_of(block: Block) -> Contraction | None:
    """Return the contraction that ``block`` computes, None if it computes something else."""
    if not isinstance(block.body, Store) or block.body.predicate is not None:
        return None
    value = block.body.value
    if not (isinstance(value, Binary) and value.op == "add"):
        return None
    own = Load(block.body.buffer, block.body.indices)
    product = value.b if value.a == own else value.a if value.b == own else None
    if not (isinstance(product, Binary) and product.op == "mul"):
        return None
    a, b = _operand(product.a), _operand(product.b)
    if a is None or b is None:
        return None
    left, right = (b, a) if _plain(a) and not _plain(b) else (a, b)
    return _roles(block, left, right)


def _roles(block: Block, left: Load, right: Load) -> Contraction | None:
    batch: list[IterVar] = []
    m: list[IterVar] = []
    n: list[IterVar] = []
    k: list[IterVar] = []
    unit: list[IterVar] = []
    in_left, in_right = _variables(left), _variables(right)
    for it in block.iters:
        sides = (it.var in in_left, it.var in in_right)
        if it.kind == "reduction":
            if not any(sides):
                return None
            k.append(it)
            continue
        match sides:
            case (True, True):
                batch.append(it)
            case (False, True):
                n.append(it)
            case (True, False):
                m.append(it)
            case _ if is_const(it.extent, 1):
                unit.append(it)
            case _:
                return None
    if not k or (unit and not m and not n):
        return None
    return Contraction(left, right, tuple(batch), (*unit, *m), tuple(n), tuple(k))


def _operand(value: Expr) -> Load | None:
    while isinstance(value, Cast):
        value = value.a
    return value if isinstance(value, Load) else None


def _variables(load: Load) -> frozenset[Var]:
    return frozenset(item for index in load.indices for item in walk(index) if isinstance(item, Var))


def _plain(load: Load) -> bool:
    return all(isinstance(index, (Var, Const)) for index in load.indices)
