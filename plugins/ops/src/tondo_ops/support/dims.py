"""Arithmetic on dimensions: canonical forms, equality, broadcasting.

A symbolic dimension is taken to be at least 1 when an expression is simplified.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from tondo.arith import Analyzer
from tondo.arith.interval import Interval
from tondo.ir import Const, Expr, ExprLike, Var, as_expr, floordiv, is_const, walk

ONE = Const(1)
ZERO = Const(0)


def _analyzer(expr: Expr) -> Analyzer:
    return Analyzer({item: Interval(1, None) for item in walk(expr) if isinstance(item, Var)})


@lru_cache(maxsize=8192)
def _tidy(expr: Expr) -> Expr:
    return _analyzer(expr).simplify(expr)


def tidy(value: ExprLike) -> Expr:
    """Return the canonical form of a dimension."""
    expr = as_expr(value)
    return expr if isinstance(expr, (Const, Var)) else _tidy(expr)


def same(a: Expr, b: Expr) -> bool:
    """Whether the dimensions are provably equal."""
    return a == b or is_const(tidy(a - b), 0)


def differ(a: Expr, b: Expr) -> bool:
    """Whether the dimensions are provably different."""
    difference = tidy(a - b)
    limits = _analyzer(difference).bounds(difference)
    return (limits.low is not None and limits.low > 0) or (limits.high is not None and limits.high < 0)


def fits(a: Expr, b: Expr) -> bool:
    """Whether the dimension ``a`` is provably at most ``b``."""
    difference = tidy(a - b)
    high = _analyzer(difference).bounds(difference).high
    return high is not None and high <= 0


def join(a: Expr, b: Expr) -> Expr:
    """Return the better known of two dimensions that are taken to be equal."""
    return b if isinstance(b, Const) and not isinstance(a, Const) else a


def product(values: Iterable[Expr]) -> Expr:
    """Return the product of dimensions."""
    result: Expr = ONE
    for value in values:
        result = result * value
    return tidy(result)


def total(values: Iterable[Expr]) -> Expr:
    """Return the sum of dimensions."""
    result: Expr = ZERO
    for value in values:
        result = result + value
    return tidy(result)


def exact_quotient(dividends: Sequence[Expr], divisors: Sequence[Expr]) -> Expr:
    """Return ``product(dividends) / product(divisors)``, which is taken to be whole; common factors cancel first."""
    above = list(dividends)
    below: list[Expr] = []
    for divisor in divisors:
        match = next((i for i, value in enumerate(above) if same(value, divisor)), None)
        if match is None:
            below.append(divisor)
        else:
            del above[match]
    return tidy(floordiv(product(above), product(below)))


def broadcast_dim(a: Expr, b: Expr) -> Expr | None:
    """Return the broadcast of two dimensions; None if they cannot be broadcast."""
    if is_const(a, 1):
        return b
    if is_const(b, 1):
        return a
    return None if differ(a, b) else join(a, b)


def broadcast_shapes(shapes: Sequence[Sequence[Expr]]) -> tuple[Expr, ...] | None:
    """Return the numpy broadcast of ``shapes``; None if they cannot be broadcast."""
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Expr] = [ONE] * rank
    for shape in shapes:
        offset = rank - len(shape)
        for i, extent in enumerate(shape):
            dim = broadcast_dim(result[offset + i], extent)
            if dim is None:
                return None
            result[offset + i] = dim
    return tuple(result)


def text(value: Expr) -> str:
    """Return a dimension as a person would write it."""
    match value:
        case Const():
            return str(value.value)
        case Var():
            return value.name
        case _:
            pass
    op = getattr(value, "op", None)
    sides = [text(child) for child in value.children() if isinstance(child, Expr)]
    signs = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "floormod": "%"}
    if isinstance(op, str) and len(sides) == 2:
        return f"({sides[0]} {signs[op]} {sides[1]})" if op in signs else f"{op}({sides[0]}, {sides[1]})"
    return f"{op or type(value).__name__.lower()}({', '.join(sides)})"
