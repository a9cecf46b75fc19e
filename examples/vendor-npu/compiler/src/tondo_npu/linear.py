"""From index expressions to addresses: affine in loops, axes and digits.

``(m * 128 + i) // 49 * 7 + i % 7`` becomes ``digit0 * 7 + digit1`` with the digits ``(m * 128 + i) // 49`` and
``i % 7``. Coefficients may depend on the scalars of the function. Refused (TND-B004): products of two variables, and
operations other than sums, products, quotients and remainders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from tondo.diagnostics import fail
from tondo.ir import Binary, Compare, Const, Expr, Unary, Var, add, floordiv, floormod, is_const, mul, sub
from tondo_npu.numbers import Numbers
from tondo_npu_runtime.isa import FIRST_DIGIT, MAX_DIGITS, NO_MODULUS, Affine, Digit


@dataclass(frozen=True, slots=True)
class Linear:
    """``constant + sum(coefficient * variable)``; variables by their number in the instruction."""

    constant: Expr
    terms: Mapping[int, Expr] = field(default_factory=dict[int, Expr])

    def plus(self, other: Linear) -> Linear:
        """Return the sum."""
        terms = dict(self.terms)
        for variable, coefficient in other.terms.items():
            terms[variable] = add(terms[variable], coefficient) if variable in terms else coefficient
        return Linear(add(self.constant, other.constant), terms)

    def times(self, factor: Expr) -> Linear:
        """Return the product with an expression without variables."""
        if is_const(factor, 1):
            return self
        terms = {variable: mul(coefficient, factor) for variable, coefficient in self.terms.items()}
        return Linear(mul(self.constant, factor), terms)


class Addresses:
    """Makes the addresses of one instruction; collects its digits."""

    def __init__(self, numbers: Numbers, variables: Mapping[Var, int], function: str) -> None:
        """Start an instruction whose loops and axes have the numbers ``variables``."""
        self._numbers = numbers
        self._variables = variables
        self._function = function
        self._digits: dict[Digit, int] = {}

    @property
    def digits(self) -> tuple[Digit, ...]:
        """The digits that the addresses so far use, in order."""
        return tuple(self._digits)

    def offset(self, indices: Sequence[Expr], strides: Sequence[Expr]) -> Affine:
        """Return the address of an element, in elements."""
        total = Linear(Const(0))
        for index, stride in zip(indices, strides, strict=True):
            total = total.plus(self.linear(index).times(stride))
        return self.affine(total)

    def guard(self, condition: Expr) -> Affine:
        """Return what is at least 0 exactly where ``condition`` holds."""
        match condition:
            case Compare(op="lt"):
                value = sub(sub(condition.b, condition.a), Const(1))
            case Compare(op="le"):
                value = sub(condition.b, condition.a)
            case Compare(op="gt"):
                value = sub(sub(condition.a, condition.b), Const(1))
            case Compare(op="ge"):
                value = sub(condition.a, condition.b)
            case _:
                self._refuse("a condition that is no order of two sizes")
        return self.affine(self.linear(value))

    def affine(self, value: Linear) -> Affine:
        """Return ``value`` with its numbers in the value table."""
        terms = tuple(
            (variable, self._numbers(coefficient))
            for variable, coefficient in sorted(value.terms.items())
            if not is_const(coefficient, 0)
        )
        return Affine(self._numbers(value.constant), terms)

    def linear(self, expr: Expr) -> Linear:
        """Return ``expr`` as a sum of variables."""
        match expr:
            case Const():
                return Linear(expr)
            case Var():
                number = self._variables.get(expr)
                return Linear(expr) if number is None else Linear(Const(0), {number: Const(1)})
            case Binary(op="add"):
                return self.linear(expr.a).plus(self.linear(expr.b))
            case Binary(op="sub"):
                return self.linear(expr.a).plus(self.linear(expr.b).times(Const(-1)))
            case Unary(op="neg"):
                return self.linear(expr.a).times(Const(-1))
            case Binary(op="mul"):
                return self._product(self.linear(expr.a), self.linear(expr.b))
            case Binary(op="floordiv" | "floormod"):
                return self._divided(expr)
            case _:
                return self._refuse(f"an index that holds '{getattr(expr, 'op', type(expr).__name__.lower())}'")

    def _product(self, a: Linear, b: Linear) -> Linear:
        if a.terms and b.terms:
            self._refuse("an index that multiplies two variables")
        return a.times(b.constant) if a.terms else b.times(a.constant)

    def _divided(self, expr: Binary) -> Linear:
        divisor = self.linear(expr.b)
        if divisor.terms:
            self._refuse("an index that divides by a variable")
        if expr.op == "floordiv":
            return self._digit(self.linear(expr.a), divisor.constant, None)
        if isinstance(expr.a, Binary) and expr.a.op == "floordiv":
            inner = self.linear(expr.a.b)
            if not inner.terms:
                return self._digit(self.linear(expr.a.a), inner.constant, divisor.constant)
        return self._digit(self.linear(expr.a), Const(1), divisor.constant)

    def _digit(self, source: Linear, divisor: Expr, modulus: Expr | None) -> Linear:
        if not source.terms:
            quotient = floordiv(source.constant, divisor)
            return Linear(quotient if modulus is None else floormod(quotient, modulus))
        place = NO_MODULUS if modulus is None else self._numbers(modulus)
        made = Digit(self.affine(source), self._numbers(divisor), place)
        number = self._digits.setdefault(made, len(self._digits))
        if number >= MAX_DIGITS:
            self._refuse(f"more than {MAX_DIGITS} quotients and remainders in the indices of one transfer")
        return Linear(Const(0), {FIRST_DIGIT + number: Const(1)})

    def _refuse(self, what: str) -> NoReturn:
        fail("TND-B004", f"'{self._function}' cannot be compiled for the accelerator: it has {what}")
