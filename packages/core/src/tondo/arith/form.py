"""From an int64 scalar expression to its canonical affine form."""

from __future__ import annotations

from math import gcd

from tondo.arith.affine import Affine, product
from tondo.arith.choice import minmax_form, select_form
from tondo.arith.division import floordiv_form, floormod_form
from tondo.arith.other import simplify_other
from tondo.arith.rules import Rules, positive
from tondo.ir import Binary, Cast, Const, Expr, Select, Unary, Var

_ADDITIVE = frozenset({"add", "sub"})


def form_of(rules: Rules, expr: Expr) -> Affine:
    """Return the canonical form of ``expr`` (int64, one lane)."""
    match expr:
        case Const():
            return Affine(int(expr.value))
        case Var():
            return rules.atom(expr)
        case Binary():
            return _binary(rules, expr)
        case Unary(op="neg"):
            return rules.form(expr.a).scale(-1)
        case Select():
            return select_form(rules, rules.simplify(expr.condition), rules.form(expr.a), rules.form(expr.b))
        case Cast(a=Const(value=int(value))):
            return Affine(int(value))
        case _:
            return rules.atom(simplify_other(rules, expr))


def _binary(rules: Rules, expr: Binary) -> Affine:
    if expr.op in _ADDITIVE:
        return _sum(rules, expr)
    a, b = rules.form(expr.a), rules.form(expr.b)
    match expr.op:
        case "mul":
            return _product(rules, a, b)
        case "floordiv":
            return floordiv_form(rules, a, b)
        case "floormod":
            return floormod_form(rules, a, b)
        case "min" | "max" as op:
            return minmax_form(rules, op, a, b)
        case "truncdiv" | "truncmod" if rules.nonnegative(a) and positive(rules, b):
            return floordiv_form(rules, a, b) if expr.op == "truncdiv" else floormod_form(rules, a, b)
        case "shl" if b.is_constant and 0 <= b.constant < 63:
            return a.scale(1 << b.constant)
        case "shr" if b.is_constant and 0 <= b.constant < 63:
            return floordiv_form(rules, a, Affine(1 << b.constant))
        case "and" | "or" | "xor" if a.is_constant and b.is_constant:
            x, y = a.constant, b.constant
            return Affine(x & y if expr.op == "and" else x | y if expr.op == "or" else x ^ y)
        case _:
            return rules.atom(Binary(expr.op, a.to_expr(), b.to_expr()))


def _sum(rules: Rules, expr: Expr) -> Affine:
    parts: list[tuple[Expr, int]] = []
    _flatten(expr, 1, parts)
    constant = 0
    terms: dict[Expr, int] = {}
    for part, sign in parts:
        value = rules.form(part)
        constant += sign * value.constant
        for atom, k in value.terms:
            terms[atom] = terms.get(atom, 0) + sign * k
    return rules.tidy(Affine.make(constant, terms))


def _flatten(expr: Expr, sign: int, parts: list[tuple[Expr, int]]) -> None:
    while type(expr) is Binary and expr.op in _ADDITIVE:
        _flatten(expr.b, sign if expr.op == "add" else -sign, parts)
        expr = expr.a
    parts.append((expr, sign))


def _product(rules: Rules, a: Affine, b: Affine) -> Affine:
    if a.is_constant or b.is_constant:
        return rules.tidy(b.scale(a.constant) if a.is_constant else a.scale(b.constant))
    result = a.times(b)
    if result is not None:
        return rules.tidy(result)
    # Too large to multiply out: a product of two sums, freed of their common divisors.
    left, right = gcd(a.content(), a.constant), gcd(b.content(), b.constant)
    sides = (a.divide(left).to_expr(), b.divide(right).to_expr())
    return Affine.of(product(sides), left * right)
