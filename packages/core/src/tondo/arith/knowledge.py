"""What an analyzer knows: facts about atoms, symbolic bounds, remainders, assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tondo.arith.affine import Affine, factors
from tondo.arith.interval import EVERYTHING, Interval
from tondo.ir import Binary, Const, Expr, Var

Bounds = tuple[tuple[Affine, ...], tuple[Affine, ...]]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """An immutable set of statements.

    Attributes:
        facts: constant bounds per atom.
        bounds: symbolic bounds (inclusive) per variable: lower ones, upper ones.
        order: the variables of ``bounds``, innermost first.
        residues: ``atom % modulus == remainder`` per atom, as ``(modulus, remainder)``.
        nonnegative: forms that are at least zero.
        truths: conditions stated as a whole.
    """

    facts: Mapping[Expr, Interval] = field(default_factory=dict[Expr, Interval])
    bounds: Mapping[Var, Bounds] = field(default_factory=dict[Var, Bounds])
    order: tuple[Var, ...] = ()
    residues: Mapping[Expr, tuple[int, int]] = field(default_factory=dict[Expr, tuple[int, int]])
    nonnegative: tuple[Affine, ...] = ()
    truths: Mapping[Expr, bool] = field(default_factory=dict[Expr, bool])

    def fact(self, atom: Expr) -> Interval:
        """Return the stated bounds of ``atom``."""
        return self.facts.get(atom, EVERYTHING)

    def residue(self, atom: Expr, modulus: int) -> int | None:
        """Return ``atom % modulus`` if it follows from a stated remainder."""
        if modulus == 1:
            return 0
        if not self.residues:
            return None
        stated = self.residues.get(atom)
        if stated is not None and stated[0] % modulus == 0:
            return stated[1] % modulus
        parts = factors(atom)
        if len(parts) > 1 and any(self.residue(part, modulus) == 0 for part in parts):
            return 0
        return None

    def with_fact(self, atom: Expr, limits: Interval) -> Knowledge:
        """Return a copy that knows ``atom`` within ``limits``."""
        return replace(self, facts={**self.facts, atom: self.fact(atom).meet(limits)})

    def with_bounds(self, var: Var, limits: Interval, low: Affine, high: Affine) -> Knowledge:
        """Return a copy in which ``var`` has exactly these bounds (an earlier variable of the name is forgotten)."""
        bounds = {name: value for name, value in self.bounds.items() if name != var}
        order = tuple(name for name in self.order if name != var)
        if low.terms or high.terms:
            bounds[var] = ((low,), (high,))
            order = (var, *order)
        return replace(self, facts={**self.facts, var: limits}, bounds=bounds, order=order)

    def with_nonnegative(self, value: Affine) -> Knowledge:
        """Return a copy that knows ``value >= 0``."""
        if len(value.terms) == 1:
            (atom, k), c = value.terms[0], value.constant
            limits = Interval(-(c // k), None) if k > 0 else Interval(None, c // -k)
            return self.with_fact(atom, limits)
        return replace(self, nonnegative=(*self.nonnegative, value)) if value.terms else self

    def with_zero(self, value: Affine) -> Knowledge:
        """Return a copy that knows ``value == 0``."""
        known = self.with_nonnegative(value).with_nonnegative(value.scale(-1))
        if len(value.terms) != 1:
            return known
        atom, k = value.terms[0]
        if type(atom) is Binary and atom.op == "floormod" and type(atom.b) is Const and abs(k) == 1:
            modulus, remainder = int(atom.b.value), -value.constant * k
            if modulus > 0:
                return replace(known, residues={**known.residues, atom.a: (modulus, remainder)})
        return known

    def with_truth(self, condition: Expr, value: bool) -> Knowledge:
        """Return a copy that knows ``condition`` to be ``value``."""
        return replace(self, truths={**self.truths, condition: value})
