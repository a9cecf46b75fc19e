"""What a reduction block combines: ``C[i] = op(C[i], value)``."""

from __future__ import annotations

from dataclasses import dataclass

from tondo.ir import Binary, Block, Combiner, Const, Expr, Load, Store, identity, walk
from tondo.ir.expr import BinaryOp

_NAMES: dict[BinaryOp, Combiner] = {"add": "sum", "mul": "prod", "min": "min", "max": "max"}


@dataclass(frozen=True, slots=True)
class Update:
    """``op(own, value)`` with the neutral element of ``op``."""

    op: BinaryOp
    value: Expr
    neutral: Const


def update_of(block: Block) -> Update | None:
    """Return the update of ``block``; None if it is not a sum, product, minimum or maximum of another value."""
    store = block.body
    if not isinstance(store, Store) or store.predicate is not None or not isinstance(store.value, Binary):
        return None
    own = Load(store.buffer, store.indices)
    value, op = store.value, store.value.op
    if op not in _NAMES or value.a != own:
        return None
    if any(isinstance(item, Load) and item.buffer == store.buffer for item in walk(value.b)):
        return None
    return Update(op, value.b, identity(_NAMES[op], store.buffer.dtype))
