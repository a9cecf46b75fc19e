"""Rules of floor division and modulo.

=============================================  ===============================================
before                                         after
=============================================  ===============================================
``(c*q + r) // c``, r within one period        ``q + r // c`` with the latter a constant
``(g*y + r) // (g*c)``, r within ``[0, g)``    ``y // c``
``(g*y + r) % (g*c)``, r within ``[0, g)``     ``g*(y % c) + r``
``(x // a + t) // b``                          ``(x + a*t) // (a*b)``
``(x % (a*b)) // b``                           ``(x // b) % a``
``(k*(x % m) + r) % c``, c divides k*m         ``(k*x + r) % c``
``(n*q + r) // n``, 0 <= r < n                 ``q``
``(f*x) // (f*y)``, f > 0                      ``x // y``
``c*(x // c) + x % c``                         ``x``
``n*(x // n) + x % n``                         ``x``
``x - c*(x // c)``                             ``x % c``
=============================================  ===============================================

Constant divisors of either sign are handled; symbolic ones only where they are proven positive.
"""

from __future__ import annotations

from math import gcd

from tondo.arith.affine import ZERO, Affine, factors, product
from tondo.arith.rules import Rules, positive
from tondo.ir import Binary, Const, Expr

_MAX_STEPS = 8


def floordiv_form(rules: Rules, value: Affine, divisor: Affine) -> Affine:
    """Return the form of ``value // divisor``."""
    if not divisor.is_constant:
        return _symbolic_div(rules, value, divisor)
    c = divisor.constant
    if c == 0:
        return rules.atom(Binary("floordiv", value.to_expr(), Const(0)))
    return _constant_div(rules, value, c) if c > 0 else _constant_div(rules, value.scale(-1), -c)


def floormod_form(rules: Rules, value: Affine, divisor: Affine) -> Affine:
    """Return the form of ``value % divisor``."""
    if not divisor.is_constant:
        return _symbolic_mod(rules, value, divisor)
    c = divisor.constant
    if c == 0:
        return rules.atom(Binary("floormod", value.to_expr(), Const(0)))
    return _constant_mod(rules, value, c) if c > 0 else _constant_mod(rules, value.scale(-1), -c).scale(-1)


def _constant_div(rules: Rules, value: Affine, c: int) -> Affine:
    if c == 1:
        return value
    whole = Affine(value.constant // c, tuple([(atom, k // c) for atom, k in value.terms if k % c == 0]))
    rest = Affine(value.constant % c, tuple([term for term in value.terms if term[1] % c]))
    if rest.is_constant:
        return whole
    known = _take_known(rules, rest, c)
    if known is not None:
        quotient, rest = known
        return rules.tidy(whole + quotient + _constant_div(rules, rest, c))
    for g in _periods(rest, c):
        parts = _period_split(rules, rest, g)
        if parts is not None:
            outer, _ = parts
            return rules.tidy(whole + _constant_div(rules, outer, c // g))
    return rules.tidy(whole + _quotient_atom(rules, rest, c))


def _quotient_atom(rules: Rules, rest: Affine, c: int) -> Affine:
    (atom, k), *more = rest.terms
    if not more and k == 1 and type(atom) is Binary and type(atom.b) is Const and int(atom.b.value) > 0:
        inner = int(atom.b.value)
        if atom.op == "floordiv":
            return _constant_div(rules, rules.form(atom.a).shift(rest.constant * inner), c * inner)
        if atom.op == "floormod" and rest.constant == 0 and inner % c == 0:
            return _constant_mod(rules, _constant_div(rules, rules.form(atom.a), c), inner // c)
    return rules.atom(Binary("floordiv", rest.to_expr(), Const(c)))


def _constant_mod(rules: Rules, value: Affine, c: int) -> Affine:
    if c == 1:
        return ZERO
    rest = Affine(value.constant % c, tuple([term for term in value.terms if term[1] % c]))
    opened = _open_remainders(rules, rest, c) or _drop_known(rules, rest, c)
    if opened is not None:
        return _constant_mod(rules, opened, c)
    if rest.is_constant:
        return rest
    for g in _periods(rest, c):
        parts = _period_split(rules, rest, g)
        if parts is not None:
            outer, inner = parts
            return rules.tidy(_constant_mod(rules, outer, c // g).scale(g) + inner)
    return rules.atom(Binary("floormod", rest.to_expr(), Const(c)))


def _open_remainders(rules: Rules, rest: Affine, c: int) -> Affine | None:
    for atom, k in rest.terms:
        if type(atom) is Binary and atom.op == "floormod" and type(atom.b) is Const:
            m = int(atom.b.value)
            if m > 0 and (k * m) % c == 0:
                return rest.without(atom) + rules.form(atom.a).scale(k)
    return None


def _drop_known(rules: Rules, rest: Affine, c: int) -> Affine | None:
    for atom, k in rest.terms:
        residue = rules.residue(atom, c // gcd(k, c))
        if residue is not None:
            return rest.without(atom).shift(k * residue)
    return None


def _take_known(rules: Rules, rest: Affine, c: int) -> tuple[Affine, Affine] | None:
    """Split a term whose remainder is known off ``rest``; returns its quotient by ``c`` and what is left."""
    if rest.atom is not None:
        return None
    for atom, k in rest.terms:
        modulus = c // gcd(k, c)
        residue = rules.residue(atom, modulus)
        if residue is not None:
            quotient = _constant_div(rules, Affine.of(atom), modulus).scale(k * modulus // c)
            return quotient, rest.without(atom).shift(k * residue)
    return None


def _periods(rest: Affine, c: int) -> list[int]:
    found = {gcd(k, c) for _, k in rest.terms}
    found.add(c)
    found.discard(1)
    return sorted(found, reverse=True)


def _period_split(rules: Rules, rest: Affine, g: int) -> tuple[Affine, Affine] | None:
    """Return ``(y, r)`` with ``rest == g*y + r`` and ``r`` proven within ``[0, g)``."""
    small = Affine(rest.constant, tuple([term for term in rest.terms if term[1] % g]))
    limits = rules.range_of(small)
    if limits.low is None or limits.high is None or limits.low // g != limits.high // g:
        return None
    period = limits.low // g
    large = Affine(period, tuple([(atom, k // g) for atom, k in rest.terms if k % g == 0]))
    return large, small.shift(-period * g)


def _symbolic_div(rules: Rules, value: Affine, divisor: Affine) -> Affine:
    if positive(rules, divisor):
        whole, rest = _long_division(value, divisor)
        if rest == ZERO or _within(rules, rest, divisor):
            return whole
        if len(divisor.terms) > 1 or divisor.constant:
            whole, rest = ZERO, value
        factor = _common_factor(rules, rest, divisor)
        if factor is not None:
            return rules.tidy(whole + floordiv_form(rules, _cancel(rest, factor), _cancel(divisor, factor)))
        return whole + rules.atom(Binary("floordiv", rest.to_expr(), divisor.to_expr()))
    return rules.atom(Binary("floordiv", value.to_expr(), divisor.to_expr()))


def _symbolic_mod(rules: Rules, value: Affine, divisor: Affine) -> Affine:
    if positive(rules, divisor):
        _, rest = _long_division(value, divisor)
        if rest == ZERO or _within(rules, rest, divisor):
            return rest
        if len(divisor.terms) > 1 or divisor.constant:
            rest = value
        factor = _common_factor(rules, rest, divisor)
        if factor is not None:
            inner = floormod_form(rules, _cancel(rest, factor), _cancel(divisor, factor))
            return inner.times(Affine.of(factor)) or rules.atom(Binary("mul", inner.to_expr(), factor))
        return rules.atom(Binary("floormod", rest.to_expr(), divisor.to_expr()))
    return rules.atom(Binary("floormod", value.to_expr(), divisor.to_expr()))


def _within(rules: Rules, rest: Affine, divisor: Affine) -> bool:
    return rules.nonnegative(rest) and rules.nonnegative((divisor - rest).shift(-1))


def _long_division(value: Affine, divisor: Affine) -> tuple[Affine, Affine]:
    """Return ``(q, r)`` with ``value == q * divisor + r`` by dividing by the leading term of ``divisor``."""
    leading, lead_k = divisor.terms[0]
    lead = factors(leading)
    quotient, rest = ZERO, value
    for _ in range(_MAX_STEPS):
        step = next((found for term in rest.terms if (found := _divide_term(term, lead, lead_k)) is not None), None)
        if step is None:
            break
        taken = step.times(divisor)
        if taken is None:
            break
        quotient, rest = quotient + step, rest - taken
    return quotient, rest


def _divide_term(term: tuple[Expr, int], lead: tuple[Expr, ...], lead_k: int) -> Affine | None:
    atom, k = term
    if k % lead_k:
        return None
    parts = list(factors(atom))
    for factor in lead:
        if factor not in parts:
            return None
        parts.remove(factor)
    return Affine.of(product(parts), k // lead_k) if parts else Affine(k // lead_k)


def _common_factor(rules: Rules, value: Affine, divisor: Affine) -> Expr | None:
    """Return a factor, proven positive, of every term of both; both must lack a constant."""
    if value.constant or divisor.constant:
        return None
    for factor in factors(divisor.terms[0][0]):
        terms = (*value.terms, *divisor.terms)
        if all(factor in factors(atom) for atom, _ in terms) and positive(rules, rules.form(factor)):
            return factor
    return None


def _cancel(value: Affine, factor: Expr) -> Affine:
    coefficient, _ = value.split(factor)
    return coefficient


def join_remainders(rules: Rules, value: Affine) -> Affine:
    """Return ``value`` with quotients and remainders by the same constant joined where that saves terms."""
    changed = True
    while changed:
        changed = False
        for atom, k in value.terms:
            better = _join(rules, value, atom, k)
            if better is not None:
                value, changed = better, True
                break
    return value


def _join(rules: Rules, value: Affine, atom: Expr, k: int) -> Affine | None:
    if type(atom) is not Binary or atom.op not in {"floordiv", "floormod"}:
        return None
    if type(atom.b) is not Const:
        return _join_symbolic(rules, value, atom, k) if atom.op == "floormod" else None
    c = int(atom.b.value)
    if c <= 0:
        return None
    inner = rules.form(atom.a)
    if atom.op == "floormod":
        if not any(type(other) is Binary and other.op == "floordiv" for other, _ in value.terms):
            return None
        quotient = _constant_div(rules, inner, c)
        better = value - Affine.of(atom, k) - quotient.scale(k * c) + inner.scale(k)
        return better if _weight(better) < _weight(value) else None
    if k % c:
        return None
    m = k // c
    remainder = _constant_mod(rules, inner, c)
    better = value - Affine.of(atom, k) + (inner - remainder).scale(m)
    return better if _weight(better) < _weight(value) else None


def _join_symbolic(rules: Rules, value: Affine, remainder: Binary, k: int) -> Affine | None:
    """Join ``k * (x % n)`` with the terms that have a factor ``n``; these are joined among themselves first."""
    n = remainder.b
    coefficient, rest = value.split(n)
    if coefficient == ZERO:
        return None
    inner = rules.form(remainder.a)
    quotient = floordiv_form(rules, inner, rules.form(n))
    others = (rules.tidy(coefficient) - quotient.scale(k)).times(Affine.of(n))
    if others is None:
        return None
    better = rest - Affine.of(remainder, k) + others + inner.scale(k)
    return better if _weight(better) < _weight(value) else None


def _weight(value: Affine) -> tuple[int, int]:
    """Return the number of quotients and remainders, then of terms; joining must lower it, so it ends."""
    special = sum(
        type(factor) is Binary and factor.op in {"floordiv", "floormod"}
        for atom, _ in value.terms
        for factor in factors(atom)
    )
    return special, len(value.terms)


def joinable(value: Affine) -> bool:
    """Whether :func:`join_remainders` may find something."""
    return any(
        type(atom) is Binary and (atom.op == "floordiv" or (atom.op == "floormod" and type(atom.b) is not Const))
        for atom, _ in value.terms
    )
