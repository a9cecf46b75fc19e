"""Sizes that an operator needs to be equal: where that is not known, the graph checks it at run time.

Before, for ``add`` of ``a`` of shape ``(n, 3)`` and ``b`` of shape ``(m, 3)``::

    add(a, b)

After::

    b2: (n, 3) = match_shape(b, (n, 3))
    add(a, b2)

Only the literal size 1 is stretched by broadcasting; a symbolic size that happens to be 1 is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import Const, Expr, Var, is_const
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Site


class Agreement:
    """The shapes of some values while they are being made equal at some places."""

    def __init__(self, site: Site, values: Sequence[Value]) -> None:
        """Take ``values``, the arguments of an operator of ``site``."""
        self._site = site
        self._values = tuple(values)
        self._dims = [list(value.dims) for value in values]

    def equal(self, *places: tuple[int, int]) -> None:
        """Make sizes equal; a place is the position of a value and an axis of it."""
        if any(axis >= len(self._dims[value]) for value, axis in places):
            return  # the operator refuses the ranks
        sizes = [self._dims[value][axis] for value, axis in places]
        reference = min(sizes, key=_complexity)
        for value, axis in places:
            size = self._dims[value][axis]
            # sizes that never agree are left as they are: the operator refuses them with both shapes at hand
            if not self._site.dims.same(size, reference) and self._site.dims.truth(size.eq(reference)) is not False:
                self._dims[value][axis] = reference

    def broadcast(self, ends: Sequence[int] | None = None) -> None:
        """Make sizes equal that meet in broadcasting; ``ends``: how many trailing axes of each value stay out."""
        cut = [0] * len(self._values) if ends is None else list(ends)
        ranks = [len(dims) - skip for dims, skip in zip(self._dims, cut, strict=True)]
        for back in range(1, max(ranks, default=0) + 1):
            places = [(i, rank - back) for i, rank in enumerate(ranks) if rank >= back]
            stretched = [(i, axis) for i, axis in places if not is_const(self._dims[i][axis], 1)]
            if len(stretched) > 1:
                self.equal(*stretched)

    def values(self) -> tuple[Value, ...]:
        """Return the values, those with changed shapes checked at run time."""
        return tuple(
            self._site.builder.match(value, dims) for value, dims in zip(self._values, self._dims, strict=True)
        )


def _complexity(size: Expr) -> int:
    return 0 if isinstance(size, Const) else 1 if isinstance(size, Var) else 2


def broadcastable(site: Site, *values: Value) -> tuple[Value, ...]:
    """Return ``values`` with sizes that broadcast."""
    agreement = Agreement(site, values)
    agreement.broadcast()
    return agreement.values()
