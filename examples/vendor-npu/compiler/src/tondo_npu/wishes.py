"""How the accelerator would like tensors to lie in global memory: so that transfers find long runs of neighbours.

For ``conv[n, o, y, x] += x[n, c, y + p, x + q] * w[o, c, p, q]``: the summed channels of the left operand last
(``[n, y, x, c]``), columns of the result last (``[n, y, x, o]``), the right operand as rows of columns in the order in
which the left one is read (``[p, q, c, o]``). Nothing is asked for operands of batched products, which are computed at
run time: the DMA engine reads them in any order.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import Expr, IterVar, Load, TensorFunction, Var, walk
from tondo.passes import Miss
from tondo_npu.structure import Product, product_of
from tondo_schedule import IndexMap, LayoutWish


def wishes(function: TensorFunction) -> tuple[LayoutWish, ...]:
    """Return the wished arrangements of the parameters of ``function``; () if the accelerator does not compute it.

    A function that lies well already has the wish to stay as it is, so that no other rule is asked.
    """
    product = product_of(function)
    if isinstance(product, Miss):
        return ()
    places = {buffer: place for place, buffer in enumerate(function.buffers)}
    wished = {product.output: _last(product.indices, product.columns)}
    for item in walk(product.value):
        if isinstance(item, Load) and item.indices == product.indices and item.buffer in places:
            wished[item.buffer] = wished[product.output]
    if not product.batch:
        left = _last(product.left.load.indices, product.depth)
        wished[product.left.load.buffer] = left
        wished[product.right.load.buffer] = _rows_of_columns(product, left)
    return tuple(sorted((LayoutWish(places[buffer], order) for buffer, order in wished.items()), key=_place))


def _place(wish: LayoutWish) -> int:
    return wish.parameter


def _last(indices: Sequence[Expr], axes: Sequence[IterVar]) -> IndexMap:
    """Return the permutation that moves the dimensions of nothing but ``axes`` to the end."""
    own = {it.var for it in axes}
    inner = [place for place, index in enumerate(indices) if _variables(index) and _variables(index) <= own]
    return IndexMap.permutation([*(place for place in range(len(indices)) if place not in inner), *inner])


def _rows_of_columns(product: Product, left: IndexMap) -> IndexMap:
    """Return the permutation of the right operand: depth in the order of the left operand, then columns."""
    load = product.left.load
    seen: dict[Var, int] = {}
    for position, part in enumerate(left.parts):
        for var in _variables(load.indices[part.axis]):
            seen[var] = position
    columns = {it.var for it in product.columns}

    def key(place: int) -> tuple[bool, int]:
        used = _variables(product.right.load.indices[place])
        return bool(used & columns), max((seen.get(var, -1) for var in used), default=-1)

    return IndexMap.permutation(sorted(range(product.right.load.buffer.rank), key=key))


def _variables(index: Expr) -> set[Var]:
    return {item for item in walk(index) if isinstance(item, Var)}
