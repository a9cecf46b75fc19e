"""How a block reads memory.

The pattern of a load, relative to the spatial iteration variables ``v0 .. vn`` that index the block's output:

=========  =============================================================================================
identity   exactly ``[v0, .., vn]``
broadcast  a subsequence of them, constants in between (``[v1]``, ``[v0, 0, v2]``)
permuted   all of them, once each, in another order
affine     sums of integer multiples of iteration variables (a sliding window, a reversed axis, a reduction axis)
gather     some index is itself loaded from memory
other      anything else (division, modulo: a reshape)
=========  =============================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tondo.arith import affine
from tondo.ir import Buffer, Const, Expr, Load, Var, walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo.ir import Stmt

Pattern = Literal["identity", "broadcast", "permuted", "affine", "gather", "other"]


@dataclass(frozen=True, slots=True)
class Access:
    """One load of a block: what, where, and its pattern."""

    load: Load
    pattern: Pattern

    @property
    def buffer(self) -> Buffer:
        """The buffer that is read."""
        return self.load.buffer

    @property
    def indices(self) -> tuple[Expr, ...]:
        """The indices, over the block's iteration variables."""
        return self.load.indices


def accesses(body: Stmt, output: Sequence[Expr], iters: frozenset[Var]) -> tuple[Access, ...]:
    """Return the loads of ``body``, each once, with their patterns relative to the ``output`` indices."""
    loads = dict.fromkeys(item for item in walk(body) if isinstance(item, Load))
    return tuple(Access(load, pattern_of(load.indices, output, iters)) for load in loads)


def pattern_of(indices: Sequence[Expr], output: Sequence[Expr], iters: frozenset[Var]) -> Pattern:
    """Return the pattern of ``indices`` relative to the ``output`` indices of a block with variables ``iters``."""
    if tuple(indices) == tuple(output):
        return "identity"
    if any(isinstance(item, Load) for index in indices for item in walk(index)):
        return "gather"
    wanted = [index for index in output if isinstance(index, Var)]
    simple = [index for index in indices if not isinstance(index, Const)]
    if all(isinstance(index, Var) and index in wanted for index in simple) and len(set(simple)) == len(simple):
        positions = [wanted.index(index) for index in simple if isinstance(index, Var)]
        if positions == sorted(positions):
            return "broadcast"
        if len(simple) == len(indices) == len(wanted):
            return "permuted"
    return "affine" if all(_is_affine(index, iters) for index in indices) else "other"


def _is_affine(index: Expr, iters: frozenset[Var]) -> bool:
    form = affine(index)
    if form is None:
        return False
    return all(
        isinstance(atom, Var) or not any(isinstance(item, Var) and item in iters for item in walk(atom))
        for atom, _ in form.terms
    )
