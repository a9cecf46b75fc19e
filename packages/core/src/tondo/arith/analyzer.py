"""The analyzer: what is known about variables, and the entry points that use it.

An analyzer is a value: ``with_range`` and ``assume`` return a new one. Results are memoised per analyzer. int64 is
taken as the mathematical integers: index arithmetic does not overflow. Other integer types keep their wrapping
arithmetic and are only folded.
"""

from __future__ import annotations

from collections.abc import Mapping

from tondo.arith.affine import Affine
from tondo.arith.bounds import atom_range, sum_range, type_range
from tondo.arith.division import join_remainders, joinable
from tondo.arith.form import form_of
from tondo.arith.interval import EVERYTHING, Interval
from tondo.arith.knowledge import Knowledge
from tondo.arith.logic import TRUE, comparison, simplify_condition
from tondo.arith.other import simplify_other
from tondo.arith.proof import nonnegative
from tondo.ir import BOOL, INT64, Binary, Compare, Const, Expr, ExprLike, Unary, Var, as_expr

RangeLike = Interval | tuple[ExprLike, ExprLike]


class Analyzer:
    """Simplifies, bounds and proves integer expressions under known ranges and assumptions.

    Args:
        ranges: per variable an :class:`Interval`, or ``(begin, extent)`` meaning ``begin <= var < begin + extent``,
            outer variables first (an extent may name variables before it).
    """

    def __init__(self, ranges: Mapping[Var, RangeLike] | None = None) -> None:
        """Know ``ranges`` and nothing else."""
        self._knowledge = Knowledge()
        self._clear()
        for var, limits in (ranges or {}).items():
            if isinstance(limits, Interval):
                self._knowledge = self._knowledge.with_fact(var, limits)
            else:
                self._knowledge = self._bound(var, as_expr(limits[0]), as_expr(limits[1]))
            self._clear()

    def _clear(self) -> None:
        self._forms: dict[Expr, Affine] = {}
        self._simplified: dict[Expr, Expr] = {}
        self._facts: dict[Expr, Interval] = {}
        self._ranges: dict[Affine, Interval] = {}
        self._proofs: dict[Affine, bool] = {}

    def _bound(self, var: Var, begin: Expr, extent: Expr) -> Knowledge:
        low = self.form(begin)
        high = self.tidy(low + self.form(extent)).shift(-1)
        limits = Interval(self.range_of(low).low, self.range_of(high).high)
        return self._knowledge.with_bounds(var, limits, low, high)

    @classmethod
    def _of(cls, knowledge: Knowledge) -> Analyzer:
        made = cls()
        made._knowledge = knowledge
        return made

    # ------------------------------------------------------------------------------------------ public

    def with_range(self, var: Var, begin: ExprLike, extent: ExprLike) -> Analyzer:
        """Return an analyzer that also knows ``begin <= var < begin + extent`` (either may be symbolic)."""
        return self._of(self._bound(var, as_expr(begin), as_expr(extent)))

    def assume(self, condition: Expr) -> Analyzer:
        """Return an analyzer that also takes the boolean ``condition`` as true.

        Conjunctions are taken apart; comparisons of int64 values tighten bounds; ``x % c == r`` gives a remainder;
        anything else is remembered as a whole.
        """
        knowledge = self._knowledge
        for part in _conjuncts(condition):
            knowledge = self._learn(knowledge, part)
        return self._of(knowledge)

    def simplify(self, expr: Expr) -> Expr:
        """Return the canonical, smallest known form of ``expr``; of equal value wherever ``expr`` is defined."""
        done = self._simplified.get(expr)
        if done is not None:
            return done
        if expr.dtype == INT64:
            result = self.form(expr).to_expr()
        else:
            result = self._simplify_condition(expr) if expr.dtype == BOOL else simplify_other(self, expr)
        self._simplified[expr] = result
        if result is not expr:
            self._simplified[result] = result
        return result

    def bounds(self, expr: Expr) -> Interval:
        """Return constant bounds of an integer or bool scalar."""
        if expr.dtype == INT64:
            return self.range_of(self.form(expr))
        value = self.simplify(expr)
        if isinstance(value, Const):
            return Interval(int(value.value), int(value.value))
        return type_range(expr.dtype).meet(self._knowledge.fact(value))

    def prove(self, condition: Expr) -> bool:
        """Whether ``condition`` holds for all values that are known to be possible; False means "not proven"."""
        return self.simplify(condition) == TRUE

    def divides(self, k: int, expr: Expr) -> bool:
        """Whether ``k`` is proven to divide ``expr``."""
        if k in {1, -1}:
            return True
        return self.form(Binary("floormod", expr, Const(abs(k)))) == Affine(0)

    def affine(self, expr: Expr) -> Affine | None:
        """Return the canonical affine form of an int64 scalar; None for other types."""
        return self.form(expr) if expr.dtype == INT64 else None

    # ------------------------------------------------------------------------------------------ for the rules

    def form(self, expr: Expr) -> Affine:
        """Return the canonical affine form of an int64 scalar."""
        result = self._forms.get(expr)
        if result is None:
            result = form_of(self, expr)
            self._forms[expr] = result
        return result

    def atom(self, expr: Expr) -> Affine:
        """Return the form of an expression no rule takes apart: a constant if its value is known."""
        value = self.fact(expr).point
        return Affine.of(expr) if value is None else Affine(value)

    def tidy(self, value: Affine) -> Affine:
        """Return a sum with quotients and remainders of the same value joined."""
        return join_remainders(self, value) if joinable(value) else value

    def range_of(self, value: Affine) -> Interval:
        """Return the values that ``value`` can have."""
        result = self._ranges.get(value)
        if result is None:
            result = sum_range(self, value)
            self._ranges[value] = result
        return result

    def nonnegative(self, value: Affine) -> bool:
        """Whether ``value >= 0`` is proven."""
        result = self._proofs.get(value)
        if result is None:
            self._proofs[value] = False  # a proof must not rest on itself
            result = nonnegative(self, value)
            self._proofs[value] = result
        return result

    def fact(self, atom: Expr) -> Interval:
        """Return the values that ``atom`` can have, by its structure and by what was stated."""
        result = self._facts.get(atom)
        if result is None:
            result = self._knowledge.fact(atom)
            if type(atom) is not Var:
                result = atom_range(self, atom).meet(result)
            self._facts[atom] = result
        return result

    def residue(self, atom: Expr, modulus: int) -> int | None:
        """Return ``atom % modulus`` if it is known from what was stated about ``atom``."""
        return self._knowledge.residue(atom, modulus)

    def symbolic(self, var: Var) -> tuple[tuple[Affine, ...], tuple[Affine, ...]]:
        """Return the symbolic lower and upper bounds (inclusive) of ``var``."""
        return self._knowledge.bounds[var]

    def bounded_vars(self) -> tuple[Var, ...]:
        """Return the variables with symbolic bounds, innermost first."""
        return self._knowledge.order

    def assumptions(self) -> tuple[Affine, ...]:
        """Return the forms that are known to be nonnegative."""
        return self._knowledge.nonnegative

    def truth(self, condition: Expr) -> bool | None:
        """Return what was stated about a condition."""
        return self._knowledge.truths.get(condition)

    def _simplify_condition(self, expr: Expr) -> Expr:
        result = simplify_condition(self, expr)
        if result is None:
            result = simplify_other(self, expr)
        stated = self.truth(result)
        return result if stated is None else Const(stated, BOOL)

    def _learn(self, knowledge: Knowledge, condition: Expr) -> Knowledge:
        if isinstance(condition, Compare) and condition.a.dtype == INT64:
            difference = self.tidy(self.form(condition.b) - self.form(condition.a))
            canonical = comparison(self, condition.op, self.form(condition.a), self.form(condition.b))
            if isinstance(canonical, Const):
                return knowledge
            match condition.op:
                case "lt" | "le":
                    return knowledge.with_nonnegative(difference.shift(-1 if condition.op == "lt" else 0))
                case "gt" | "ge":
                    return knowledge.with_nonnegative(difference.scale(-1).shift(-1 if condition.op == "gt" else 0))
                case "eq":
                    return knowledge.with_zero(difference)
                case _:
                    return knowledge.with_truth(canonical, True)
        value = self.simplify(condition)
        if isinstance(value, Const):
            return knowledge
        if isinstance(value, Unary) and value.op == "not":
            return knowledge.with_truth(value.a, False)
        return knowledge.with_truth(value, True)


def _conjuncts(condition: Expr) -> list[Expr]:
    if isinstance(condition, Binary) and condition.op == "and" and condition.dtype == BOOL:
        return [*_conjuncts(condition.a), *_conjuncts(condition.b)]
    return [condition]


def affine(expr: Expr) -> Affine | None:
    """Return the canonical affine form of an int64 scalar without any knowledge; None for other types."""
    return Analyzer().affine(expr)


__all__ = ["EVERYTHING", "Analyzer", "RangeLike", "affine"]
