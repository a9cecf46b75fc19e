"""Index maps: how the elements of a tensor are arranged in another layout.

A map lists the axes of the new layout from the outermost on; each is an old axis, its blocks (``i // b``) or the
position within a block (``i % b``). An axis of groups (``g`` of equal size one after the other) may be taken apart
first: the group (``i // g``), then blocks and positions within the group. That covers permutation, blocking and padding
to multiples of a block, and is invertible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tondo.arith import Analyzer
from tondo.ir import Const, Expr, add, all_of, ceildiv, floordiv, floormod, mul

Role = Literal["whole", "group", "outer", "inner"]


@dataclass(frozen=True, slots=True)
class Part:
    """One axis of the new layout: what it takes of old axis ``axis``.

    Attributes:
        axis: the old axis.
        role: what of it: all, the group, the block, or the position within the block.
        block: elements of a group or block (1 for ``whole``).
        group: elements of the groups that blocks and positions are counted within; 0 if there are no groups.
    """

    axis: int
    role: Role = "whole"
    block: int = 1
    group: int = 0


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
            blocks = {(part.block, part.group) for part in parts if part.role != "group"}
            groups = {part.block for part in parts if part.role == "group"}
            known = kinds in (["whole"], ["inner", "outer"], ["group", "inner", "outer"])
            if (
                not known
                or len(blocks) != 1
                or {part.group for part in parts if part.role != "group"} != (groups or {0})
            ):
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

    def new_index(self, old: Sequence[Expr], known: Analyzer | None = None) -> tuple[Expr, ...]:
        """Return the new indices of the element at ``old``; ``known`` tells groups from positions within them."""
        simplify, known = Analyzer().simplify, known or Analyzer()
        return tuple(simplify(_take(part, old[part.axis], known)) for part in self.parts)

    def old_index(self, new: Sequence[Expr]) -> tuple[Expr, ...]:
        """Return the old indices of the element at ``new``; beyond the extent for padding."""
        result: list[Expr] = [Const(0)] * self.rank
        for part, index in zip(self.parts, new, strict=True):
            step = part.block if part.role in {"group", "outer"} else 1
            result[part.axis] = add(result[part.axis], mul(index, step))
        return tuple(result)

    def inside(self, new: Sequence[Expr], old: Sequence[Expr]) -> Expr | None:
        """Return when the element at ``new`` is none of the padding; None if always.

        Args:
            new: indices in the new layout.
            old: the shape in the old layout.
        """
        indices = self.old_index(new)
        conditions: list[Expr] = []
        for axis in self.padded_axes(old):
            parts = {part.role: (part, index) for part, index in zip(self.parts, new, strict=True) if part.axis == axis}
            (outer, block), (_, position) = parts["outer"], parts["inner"]
            if outer.group:
                conditions.append(add(mul(block, outer.block), position) < outer.group)
            else:
                conditions.append(indices[axis] < old[axis])
        return all_of(conditions)

    def new_shape(self, old: Sequence[Expr]) -> tuple[Expr, ...]:
        """Return the shape in the new layout; blocked axes are rounded up to whole blocks."""
        simplify = Analyzer().simplify
        return tuple(simplify(_extent(part, old[part.axis])) for part in self.parts)

    def padded_axes(self, old: Sequence[Expr]) -> tuple[int, ...]:
        """Return the old axes whose extent (or that of their groups) is not proven to be a multiple of their block."""
        analyzer = Analyzer()
        return tuple(
            part.axis
            for part in self.parts
            if part.role == "outer"
            and not analyzer.divides(part.block, Const(part.group) if part.group else old[part.axis])
        )

    def to_plain(self) -> list[list[int | str]]:
        """Return plain values that JSON can hold; :meth:`from_plain` reads them back."""
        return [[part.axis, part.role, part.block, *([part.group] if part.group else [])] for part in self.parts]

    @staticmethod
    def from_plain(values: Sequence[Sequence[int | str]]) -> IndexMap:
        """Return the map that :meth:`to_plain` described."""
        return IndexMap(tuple(Part(int(axis), _role(str(role)), *map(int, blocks)) for axis, role, *blocks in values))


def _role(text: str) -> Role:
    if text == "whole" or text == "group" or text == "outer" or text == "inner":
        return text
    msg = f"unknown role {text!r}"
    raise ValueError(msg)


def _take(part: Part, index: Expr, known: Analyzer) -> Expr:
    within = known.simplify(floormod(index, Const(part.group))) if part.group else index
    match part.role:
        case "whole":
            return index
        case "group":
            return known.simplify(floordiv(index, Const(part.block)))
        case "outer":
            return floordiv(within, Const(part.block))
        case "inner":
            return floormod(within, Const(part.block))


def _extent(part: Part, extent: Expr) -> Expr:
    match part.role:
        case "whole":
            return extent
        case "group":
            return floordiv(extent, Const(part.block))
        case "outer":
            return ceildiv(Const(part.group) if part.group else extent, Const(part.block))
        case "inner":
            return Const(part.block)
