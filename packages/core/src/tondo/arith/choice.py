"""Rules of minimum, maximum and select on int64 values.

Operands that another one always beats are dropped; nested minima (maxima) are one flat, ordered set; what all
operands have in common is taken out: ``min(x + i, y + i)`` becomes ``min(x, y) + i``.
"""

from __future__ import annotations

from typing import Literal

from tondo.arith.affine import Affine, order_text
from tondo.arith.rules import Rules
from tondo.ir import Binary, Const, Expr, Select

_MAX_OPERANDS = 6


def minmax_form(rules: Rules, op: Literal["min", "max"], a: Affine, b: Affine) -> Affine:
    """Return the form of ``min(a, b)`` or ``max(a, b)``."""
    operands = list(dict.fromkeys([*_operands(rules, op, a), *_operands(rules, op, b)]))
    if len(operands) <= _MAX_OPERANDS:
        operands = _undominated(rules, op, operands)
    if len(operands) == 1:
        return operands[0]
    common = _common(operands)
    inner = sorted(((operand - common).to_expr() for operand in operands), key=order_text)
    result = inner[0]
    for operand in inner[1:]:
        result = Binary(op, result, operand)
    atom = rules.atom(result)
    return rules.tidy(common + atom) if common.terms or common.constant else atom


def _operands(rules: Rules, op: str, value: Affine) -> list[Affine]:
    if len(value.terms) == 1 and value.terms[0][1] == 1:
        atom = value.terms[0][0]
        if type(atom) is Binary and atom.op == op:
            inner = (*_operands(rules, op, rules.form(atom.a)), *_operands(rules, op, rules.form(atom.b)))
            return [item.shift(value.constant) for item in inner]
    return [value]


def _undominated(rules: Rules, op: str, operands: list[Affine]) -> list[Affine]:
    kept: list[Affine] = []
    for operand in operands:
        if any(_beats(rules, op, other, operand) for other in kept):
            continue
        kept = [other for other in kept if not _beats(rules, op, operand, other)]
        kept.append(operand)
    return kept


def _beats(rules: Rules, op: str, winner: Affine, loser: Affine) -> bool:
    difference = loser - winner if op == "min" else winner - loser
    return rules.nonnegative(rules.tidy(difference))


def _common(operands: list[Affine]) -> Affine:
    shared = dict(operands[0].terms)
    for operand in operands[1:]:
        terms = dict(operand.terms)
        shared = {atom: k for atom, k in shared.items() if terms.get(atom) == k}
    constants = {operand.constant for operand in operands}
    return Affine.make(constants.pop() if len(constants) == 1 else 0, shared)


def select_form(rules: Rules, condition: Expr, a: Affine, b: Affine) -> Affine:
    """Return the form of ``a if condition else b``; ``condition`` is simplified already."""
    if isinstance(condition, Const):
        return a if condition.value else b
    return a if a == b else rules.atom(Select(condition, a.to_expr(), b.to_expr()))
