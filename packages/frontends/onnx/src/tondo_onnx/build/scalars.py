"""Arithmetic on single elements that are partly symbolic; the element-wise half of :mod:`tondo_onnx.build.fold`.

Integers are ``int`` or int64 expressions, truth values ``bool`` or conditions, floats ``float`` or ratios of sizes.
:class:`Unknown` is raised for whatever has no such form; the operation is then left to run time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from tondo.ir import (
    BOOL,
    INT64,
    Const,
    DType,
    Expr,
    as_expr,
    cast,
    compare,
    floordiv,
    floormod,
    logical_and,
    logical_or,
    maximum,
    minimum,
    select,
)
from tondo.ir.expr import CompareOp
from tondo_onnx.build.dims import Dimensions
from tondo_onnx.build.values import Element, Ratio, fraction


class Unknown(Exception):  # noqa: N818  not an error: the answer is only not known at import
    """The element cannot be expressed."""


@dataclass(frozen=True, slots=True)
class Scalars:
    """Operations on elements of ``dtype`` with dimensions of ``dims``."""

    dims: Dimensions
    dtype: DType

    def add(self, a: Element, b: Element) -> Element:
        """Return ``a + b``."""
        if self.dtype.is_float:
            p, q = self._pair(a, b)
            return self._ratio(p.numerator * q.denominator + q.numerator * p.denominator, p.denominator * q.denominator)
        return self._int(_expr(a) + _expr(b))

    def sub(self, a: Element, b: Element) -> Element:
        """Return ``a - b``."""
        return self.add(a, self.neg(b))

    def neg(self, a: Element) -> Element:
        """Return ``-a``."""
        return self.mul(a, -1.0 if self.dtype.is_float else -1)

    def mul(self, a: Element, b: Element) -> Element:
        """Return ``a * b``."""
        if self.dtype.is_float:
            p, q = self._pair(a, b)
            return self._ratio(p.numerator * q.numerator, p.denominator * q.denominator)
        return self._int(_expr(a) * _expr(b))

    def div(self, a: Element, b: Element) -> Element:
        """Return ``a / b``, of integers rounded toward zero."""
        if self.dtype.is_float:
            return self._float_div(a, b)
        above, below = _expr(a), _expr(b)
        if not self.dims.nonnegative(above) or self.dims.truth(below > 0) is not True:
            raise Unknown
        return self._int(self.dims.quotient([above], [below]))

    def _float_div(self, a: Element, b: Element) -> Element:
        p, q = self._pair(a, b)
        above, below = [p.numerator, Const(q.denominator)], [q.numerator, Const(p.denominator)]
        exact = self.dims.exact_quotient(above, below)
        if exact is not None:
            return self._ratio(exact, 1)
        if not isinstance(q.numerator, Const) or not q.numerator.value:
            raise Unknown
        scale = Fraction(q.denominator, int(q.numerator.value) * p.denominator)
        return self._ratio(p.numerator * scale.numerator, scale.denominator)

    def mod(self, a: Element, b: Element) -> Element:
        """Return ``a mod b`` with the sign of ``b``, of integers."""
        if self.dtype.is_float or self.dims.truth(_expr(b).ne(0)) is not True:
            raise Unknown
        return self._int(floormod(_expr(a), _expr(b)))

    def min(self, a: Element, b: Element) -> Element:
        """Return the smaller one."""
        return self._extreme(a, b, larger=False)

    def max(self, a: Element, b: Element) -> Element:
        """Return the larger one."""
        return self._extreme(a, b, larger=True)

    def _extreme(self, a: Element, b: Element, *, larger: bool) -> Element:
        if not self.dtype.is_float:
            return self._int((maximum if larger else minimum)(_expr(a), _expr(b)))
        first = self.compare("ge" if larger else "le", a, b)
        if isinstance(first, Expr):
            raise Unknown
        return a if first else b

    def abs(self, a: Element) -> Element:
        """Return the absolute value of an integer."""
        if self.dtype.is_float:
            raise Unknown
        return self._int(maximum(_expr(a), Const(0) - _expr(a)))

    def sign(self, a: Element) -> Element:
        """Return the sign of an integer whose sign is known."""
        if not self.dtype.is_float and self.dims.truth(_expr(a) > 0):
            return 1
        raise Unknown

    def floor(self, a: Element) -> Element:
        """Return ``a`` rounded down."""
        if not self.dtype.is_float:
            return a
        p = _to_ratio(a)
        return self._ratio(floordiv(p.numerator, Const(p.denominator)), 1)

    def ceil(self, a: Element) -> Element:
        """Return ``a`` rounded up."""
        if not self.dtype.is_float:
            return a
        p = _to_ratio(a)
        return self._ratio(floordiv(p.numerator + (p.denominator - 1), Const(p.denominator)), 1)

    def trunc(self, a: Element) -> Element:
        """Return ``a`` rounded toward zero."""
        if self.dtype.is_float and not self.dims.nonnegative(_to_ratio(a).numerator):
            raise Unknown
        return self.floor(a)

    def identity(self, a: Element) -> Element:
        """Return ``a``."""
        return a

    def compare(self, op: CompareOp, a: Element, b: Element) -> Element:
        """Return the comparison."""
        if self.dtype.is_bool:
            condition = compare(op, _condition(a), _condition(b))
        elif self.dtype.is_float:
            p, q = self._pair(a, b)
            condition = compare(op, p.numerator * q.denominator, q.numerator * p.denominator)
        else:
            condition = compare(op, _expr(a), _expr(b))
        return self._bool(condition)

    def both(self, a: Element, b: Element) -> Element:
        """Return ``a and b``."""
        return self._bool(logical_and(_condition(a), _condition(b)))

    def either(self, a: Element, b: Element) -> Element:
        """Return ``a or b``."""
        return self._bool(logical_or(_condition(a), _condition(b)))

    def invert(self, a: Element) -> Element:
        """Return ``not a``."""
        return self._bool(~_condition(a))

    def choose(self, condition: Element, a: Element, b: Element) -> Element:
        """Return ``a`` where the condition holds, else ``b``."""
        if not isinstance(condition, Expr):
            return a if condition else b
        if self.dtype.is_float:
            raise Unknown
        if self.dtype.is_bool:
            return self._bool(select(condition, _condition(a), _condition(b)))
        return self._int(select(condition, _expr(a), _expr(b)))

    def cast(self, a: Element, target: DType) -> Element:
        """Return ``a`` converted to ``target``."""
        if target.is_bool:
            return self._to_bool(a)
        if target.is_float:
            return a if self.dtype.is_float else self._ratio(self._as_int(a), 1)
        if not self.dtype.is_float:
            return self._int(self._as_int(a))
        whole = self.trunc(a)
        return self._int(whole.numerator if isinstance(whole, Ratio) else Const(int(_number(whole))))

    def _to_bool(self, a: Element) -> Element:
        if self.dtype.is_bool:
            return a
        return self._bool((_to_ratio(a).numerator if self.dtype.is_float else _expr(a)).ne(0))

    def _as_int(self, a: Element) -> Expr:
        return cast(INT64, _condition(a)) if self.dtype.is_bool else _expr(a)

    def _pair(self, a: Element, b: Element) -> tuple[Ratio, Ratio]:
        return _to_ratio(a), _to_ratio(b)

    def _ratio(self, numerator: Expr, denominator: int) -> Element:
        above = self.dims.simplify(numerator)
        if isinstance(above, Const):
            return int(above.value) / denominator
        if denominator < 0:
            above, denominator = self.dims.simplify(above * -1), -denominator
        factor = self.dims.exact_quotient([above], [Const(denominator)])
        return Ratio(above, denominator) if factor is None else Ratio(factor, 1)

    def _int(self, value: Expr) -> Element:
        done = self.dims.simplify(value)
        return int(done.value) if isinstance(done, Const) else done

    def _bool(self, condition: Expr) -> Element:
        known = self.dims.truth(condition)
        return condition if known is None else known


def _expr(a: Element) -> Expr:
    if isinstance(a, (Ratio, float)):
        raise Unknown
    return as_expr(int(a)) if not isinstance(a, Expr) else a


def _condition(a: Element) -> Expr:
    if isinstance(a, Ratio):
        raise Unknown
    return a if isinstance(a, Expr) else Const(bool(a), BOOL)


def _to_ratio(a: Element) -> Ratio:
    if isinstance(a, Ratio):
        return a
    if isinstance(a, Expr):
        return Ratio(a, 1)
    exact = fraction(float(a))
    if exact is None:
        raise Unknown
    return Ratio(Const(exact.numerator), exact.denominator)


def _number(a: Element) -> float:
    if isinstance(a, (Ratio, Expr)):
        raise Unknown
    result = float(a)
    if math.isnan(result) or math.isinf(result):
        raise Unknown
    return result
