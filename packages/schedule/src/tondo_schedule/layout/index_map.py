"""Index maps: how the elements of a tensor are arranged in another layout.

A map lists the axes of the new layout from the outermost on; each is an old axis, its blocks (``i // b``) or the
position within a block (``i % b``). That covers permutation, blocking and padding to multiples of a block, and is
invertible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tondo.arith import Analyzer
from tondo.ir import Const, Expr, add, ceildiv, floordiv, floormod, mul

Role = Literal["whole", "outer", "inner"]


@dataclass(frozen=True, slots=True)
class Part:
    """One axis of the new layout: what it takes of old axis ``axis``; ``block`` counts elements (1 for ``whole``)."""

    axis: int
    role: Role = "whole"
    block: int = 1


@dataclass(frozen=True, slots=True)
class IndexMap:
    """The axes of the new layout, outermost first."""

    parts: tuple[Part, ...]

    @staticmethod
    def permutation(order: Sequence[int]) -> IndexMap:
        """Return the map whose new axis ``i`` is old axis ``order[i]``."""
        return IndexMap(tuple(Part(axis) for axis in order))

    @staticmethod
    def blocked(order: Sequence[int], axis: int, block: int) -> IndexMap:
        """Return the map: blocks of old ``axis`` first, the other axes in ``order``, positions in the block last."""
        middle = tuple(Part(item) for item in order)
        return IndexMap((Part(axis, "outer", block), *middle, Part(axis, "inner", block)))

    def __post_init__(self) -> None:
        """Check that every old axis occurs once, whole or as blocks and positions.

        Raises:
            ValueError: if it does not.
        """
        roles: dict[int, list[Part]] = {}
        for part in self.parts:
            roles.setdefault(part.axis, []).append(part)
        for axis, parts in roles.items():
            kinds = sorted(part.role for part in parts)
            if kinds not in (["whole"], ["inner", "outer"]) or len({part.block for part in parts}) != 1:
                msg = f"axis {axis} is taken as {', '.join(kinds)}"
                raise ValueError(msg)
        if sorted(roles) != list(range(len(roles))):
            msg = f"the axes are {sorted(roles)}, expected 0 to {len(roles) - 1}"
            raise ValueError(msg)

    @property
    def rank(self) -> int:
        """Number of old axes."""
        return 1 + max(part.axis for part in self.parts)

    @property
    def is_identity(self) -> bool:
        """Whether nothing moves."""
        return all(part.role == "whole" and part.axis == place for place, part in enumerate(self.parts))

    def new_index(self, old: Sequence[Expr]) -> tuple[Expr, ...]:
        """Return the new indices of the element at ``old``."""
        simplify = Analyzer().simplify
        return tuple(simplify(_take(part, old[part.axis])) for part in self.parts)

    def old_index(self, new: Sequence[Expr]) -> tuple[Expr, ...]:
        """Return the old indices of the element at ``new``; beyond the extent for padding."""
        result: list[Expr] = [Const(0)] * self.rank
        for part, index in zip(self.parts, new, strict=True):
            result[part.axis] = add(result[part.axis], mul(index, part.block) if part.role == "outer" else index)
        return tuple(result)

    def new_shape(self, old: Sequence[Expr]) -> tuple[Expr, ...]:
        """Return the shape in the new layout; blocked axes are rounded up to whole blocks."""
        simplify = Analyzer().simplify
        return tuple(simplify(_extent(part, old[part.axis])) for part in self.parts)

    def padded_axes(self, old: Sequence[Expr]) -> tuple[int, ...]:
        """Return the old axes whose extent is not proven to be a multiple of their block."""
        analyzer = Analyzer()
        return tuple(
            part.axis
            for part in self.parts
            if part.role == "outer" and not analyzer.divides(part.block, old[part.axis])
        )

    def to_plain(self) -> list[list[int | str]]:
        """Return plain values that JSON can hold; :meth:`from_plain` reads them back."""
        return [[part.axis, part.role, part.block] for part in self.parts]

    @staticmethod
    def from_plain(values: Sequence[Sequence[int | str]]) -> IndexMap:
        """Return the map that :meth:`to_plain` described."""
        return IndexMap(tuple(Part(int(axis), _role(str(role)), int(block)) for axis, role, block in values))


def _role(text: str) -> Role:
    if text == "whole" or text == "outer" or text == "inner":
        return text
    msg = f"unknown role {text!r}"
    raise ValueError(msg)


def _take(part: Part, index: Expr) -> Expr:
    match part.role:
        case "whole":
            return index
        case "outer":
            return floordiv(index, Const(part.block))
        case "inner":
            return floormod(index, Const(part.block))


def _extent(part: Part, extent: Expr) -> Expr:
    match part.role:
        case "whole":
            return extent
        case "outer":
            return ceildiv(extent, Const(part.block))
        case "inner":
            return Const(part.block)
