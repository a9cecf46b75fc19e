"""Scalar expressions: the one language of dimensions, indices, loop bounds and element values.

The classes are raw: constructing one checks types and changes nothing. The Python operators on
:class:`Expr` and the functions below (``add``, ``minimum`` ...) fold constants and neutral elements on the way, so
that hand-written code stays small; deeper simplification is :mod:`tondo.arith`.
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable
from dataclasses import field
from typing import Final, Literal, TypeAlias

from tondo.diagnostics.span import Span
from tondo.ir.dtype import BOOL, FLOAT32, INT64, DType
from tondo.ir.node import Node, node

BinaryOp = Literal[
    "add",
    "sub",
    "mul",
    "div",
    "floordiv",
    "floormod",
    "truncdiv",
    "truncmod",
    "min",
    "max",
    "pow",
    "and",
    "or",
    "xor",
    "shl",
    "shr",
]
UnaryOp = Literal["neg", "not"]
CompareOp = Literal["eq", "ne", "lt", "le", "gt", "ge"]
ExprLike: TypeAlias = "Expr | int | float | bool"

BINARY_OPS: Final = frozenset(BinaryOp.__args__)  # type: ignore[attr-defined]
COMPARE_OPS: Final = frozenset(CompareOp.__args__)  # type: ignore[attr-defined]


class Expr(Node):
    """A value of type ``dtype``. Operators build expressions; ``==`` compares structure (use ``eq`` for a value)."""

    __slots__ = ()
    dtype: DType

    def __add__(self, other: ExprLike) -> Expr:
        return add(self, other)

    def __radd__(self, other: ExprLike) -> Expr:
        return add(_like(other, self), self)

    def __sub__(self, other: ExprLike) -> Expr:
        return sub(self, other)

    def __rsub__(self, other: ExprLike) -> Expr:
        return sub(_like(other, self), self)

    def __mul__(self, other: ExprLike) -> Expr:
        return mul(self, other)

    def __rmul__(self, other: ExprLike) -> Expr:
        return mul(_like(other, self), self)

    def __truediv__(self, other: ExprLike) -> Expr:
        return binary("div", self, other)

    def __rtruediv__(self, other: ExprLike) -> Expr:
        return binary("div", _like(other, self), self)

    def __floordiv__(self, other: ExprLike) -> Expr:
        return floordiv(self, other)

    def __rfloordiv__(self, other: ExprLike) -> Expr:
        return floordiv(_like(other, self), self)

    def __mod__(self, other: ExprLike) -> Expr:
        return floormod(self, other)

    def __rmod__(self, other: ExprLike) -> Expr:
        return floormod(_like(other, self), self)

    def __and__(self, other: ExprLike) -> Expr:
        return logical_and(self, other)

    def __or__(self, other: ExprLike) -> Expr:
        return logical_or(self, other)

    def __neg__(self) -> Expr:
        return negate(self)

    def __invert__(self) -> Expr:
        return Unary("not", self)

    def __lt__(self, other: ExprLike) -> Expr:
        return compare("lt", self, other)

    def __le__(self, other: ExprLike) -> Expr:
        return compare("le", self, other)

    def __gt__(self, other: ExprLike) -> Expr:
        return compare("gt", self, other)

    def __ge__(self, other: ExprLike) -> Expr:
        return compare("ge", self, other)

    def eq(self, other: ExprLike) -> Expr:
        """Return the comparison ``self == other`` as an expression."""
        return compare("eq", self, other)

    def ne(self, other: ExprLike) -> Expr:
        """Return the comparison ``self != other`` as an expression."""
        return compare("ne", self, other)

    def astype(self, target: DType) -> Expr:
        """Return ``self`` converted to ``target`` (the same object when nothing changes)."""
        return cast(target, self)

    def __bool__(self) -> bool:
        """Refuse: an expression has no truth value at compile time."""
        msg = "the truth value of an expression is not known; use .eq()/.ne() and Select, or tondo.arith to prove it"
        raise TypeError(msg)


@node
class Var(Expr):
    """A named value: a loop variable, a block's iteration variable, a dimension, a let. Names are the identity."""

    name: str
    dtype: DType = INT64
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Const(Expr):
    """A literal. ``value`` is int, float or bool according to ``dtype`` (one lane)."""

    value: int | float | bool
    dtype: DType = INT64
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Normalise the Python type of the value to the dtype; there is one NaN."""
        if self.dtype.is_bool:
            object.__setattr__(self, "value", bool(self.value))
        elif self.dtype.is_float:
            number = float(self.value)
            object.__setattr__(self, "value", math.nan if math.isnan(number) else number)
        else:
            object.__setattr__(self, "value", int(self.value))

    def key(self) -> tuple[object, ...]:
        """Compare floating-point values by their bits, so that NaN equals itself and -0.0 differs from 0.0."""
        value = struct.pack("<d", self.value) if isinstance(self.value, float) else self.value
        return (value, self.dtype)


@node
class Binary(Expr):
    """``op(a, b)`` of equal dtypes. ``floordiv``/``floormod`` round down, ``truncdiv``/``truncmod`` toward zero.

    ``and``/``or``/``xor`` are logical on bool and bitwise on integers. ``min``/``max`` of floats are
    ``a if a < b else b`` and ``a if a > b else b``: when either is NaN the result is ``b``.
    """

    op: BinaryOp
    a: Expr
    b: Expr
    dtype: DType = field(init=False, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check that both sides have one dtype."""
        if self.a.dtype != self.b.dtype:
            msg = f"{self.op}: operands have dtypes {self.a.dtype} and {self.b.dtype}"
            raise TypeError(msg)
        object.__setattr__(self, "dtype", self.a.dtype)


@node
class Unary(Expr):
    """``neg(a)`` or ``not(a)`` (logical on bool, bitwise on integers)."""

    op: UnaryOp
    a: Expr
    dtype: DType = field(init=False, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Take the operand's dtype."""
        object.__setattr__(self, "dtype", self.a.dtype)


@node
class Compare(Expr):
    """``op(a, b)`` of equal dtypes, a bool of as many lanes. Ordered comparisons of floats are false on NaN."""

    op: CompareOp
    a: Expr
    b: Expr
    dtype: DType = field(init=False, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check that both sides have one dtype."""
        if self.a.dtype != self.b.dtype:
            msg = f"{self.op}: operands have dtypes {self.a.dtype} and {self.b.dtype}"
            raise TypeError(msg)
        object.__setattr__(self, "dtype", BOOL.with_lanes(self.a.dtype.lanes))


@node
class Select(Expr):
    """``a`` where ``condition`` holds, else ``b``. Loads of the side not taken are not performed."""

    condition: Expr
    a: Expr
    b: Expr
    dtype: DType = field(init=False, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check the types of the three operands."""
        if self.a.dtype != self.b.dtype:
            msg = f"select: operands have dtypes {self.a.dtype} and {self.b.dtype}"
            raise TypeError(msg)
        if not self.condition.dtype.is_bool:
            msg = f"select: condition has dtype {self.condition.dtype}"
            raise TypeError(msg)
        object.__setattr__(self, "dtype", self.a.dtype)


@node
class Cast(Expr):
    """``a`` converted to ``dtype``: float to int truncates, to bool tests against zero, int to int wraps."""

    dtype: DType
    a: Expr
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Intrin(Expr):
    """A named function of values, for example ``exp(x)``; the names and their meaning: :mod:`tondo.ir.intrinsics`."""

    name: str
    args: tuple[Expr, ...]
    dtype: DType
    span: Span | None = field(default=None, compare=False, repr=False)


@node
class Ramp(Expr):
    """The vector ``base + i * stride`` for i in 0 .. lanes-1."""

    base: Expr
    stride: Expr
    lanes: int
    dtype: DType = field(init=False, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Widen the dtype of the base."""
        object.__setattr__(self, "dtype", self.base.dtype.with_lanes(self.lanes))


@node
class Broadcast(Expr):
    """The vector of ``lanes`` copies of the scalar ``value``."""

    value: Expr
    lanes: int
    dtype: DType = field(init=False, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Widen the dtype of the value."""
        object.__setattr__(self, "dtype", self.value.dtype.with_lanes(self.lanes))


def const(value: float | bool, dtype: DType | None = None) -> Const:
    """Return a literal; without ``dtype`` a bool is bool, an int is int64 and a float is float32."""
    if dtype is None:
        dtype = BOOL if isinstance(value, bool) else INT64 if isinstance(value, int) else FLOAT32
    return Const(value, dtype)


def as_expr(value: ExprLike, dtype: DType | None = None) -> Expr:
    """Return ``value`` as an expression; Python numbers become literals of ``dtype``."""
    return value if isinstance(value, Expr) else const(value, dtype)


def _like(value: ExprLike, other: Expr) -> Expr:
    if isinstance(value, Expr):
        return value
    scalar = const(value, other.dtype.element)
    return scalar if other.dtype.lanes == 1 else Broadcast(scalar, other.dtype.lanes)


def _pair(a: ExprLike, b: ExprLike) -> tuple[Expr, Expr]:
    if isinstance(a, Expr):
        return a, _like(b, a)
    if isinstance(b, Expr):
        return _like(a, b), b
    left = as_expr(a)
    return left, _like(b, left)


def is_const(value: Expr, number: float | None = None) -> bool:
    """Whether ``value`` is a literal (equal to ``number``, if given)."""
    return isinstance(value, Const) and (number is None or value.value == number)


def _truncdiv(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a >= 0) == (b >= 0) else -1)


_FOLD: Final[dict[str, Callable[[int, int], int]]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "min": min,
    "max": max,
    "floordiv": lambda a, b: a // b,
    "floormod": operator.mod,
    "truncdiv": _truncdiv,
    "truncmod": lambda a, b: a - b * _truncdiv(a, b),
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}
_DIVISIONS: Final = frozenset({"floordiv", "floormod", "truncdiv", "truncmod"})


def _compared(op: CompareOp, a: float, b: float) -> bool:
    match op:
        case "eq":
            return a == b
        case "ne":
            return a != b
        case "lt":
            return a < b
        case "le":
            return a <= b
        case "gt":
            return a > b
        case "ge":
            return a >= b


def _folded(op: BinaryOp, left: Const, right: Const) -> Const | None:
    """Return the literal that an operation on integer literals yields, None where it has to stay."""
    if op not in _FOLD or (op in _DIVISIONS and right.value == 0):
        return None
    value = _FOLD[op](int(left.value), int(right.value))
    if left.dtype.is_bool:
        return Const(bool(value), left.dtype)
    limit = 1 << (left.dtype.bits - 1)
    return Const(value, left.dtype) if left.dtype.kind == "int" and -limit <= value < limit else None


def binary(op: BinaryOp, a: ExprLike, b: ExprLike) -> Expr:
    """Return ``op(a, b)``, folded when both are integer literals (int64 and int32 within range) or bools."""
    left, right = _pair(a, b)
    if isinstance(left, Const) and isinstance(right, Const) and not left.dtype.is_float:
        folded = _folded(op, left, right)
        if folded is not None:
            return folded
    return Binary(op, left, right)


def add(a: ExprLike, b: ExprLike) -> Expr:
    """Return ``a + b``; integer zeros vanish."""
    left, right = _pair(a, b)
    if left.dtype.is_integer and is_const(right, 0):
        return left
    if left.dtype.is_integer and is_const(left, 0):
        return right
    return binary("add", left, right)


def sub(a: ExprLike, b: ExprLike) -> Expr:
    """Return ``a - b``; an integer zero on the right vanishes."""
    left, right = _pair(a, b)
    return left if left.dtype.is_integer and is_const(right, 0) else binary("sub", left, right)


def mul(a: ExprLike, b: ExprLike) -> Expr:
    """Return ``a * b``; integer ones vanish, integer zeros win."""
    left, right = _pair(a, b)
    if left.dtype.is_integer:
        if is_const(right, 1) or is_const(left, 0):
            return left
        if is_const(left, 1) or is_const(right, 0):
            return right
    return binary("mul", left, right)


def floordiv(a: ExprLike, b: ExprLike) -> Expr:
    """Return ``a // b`` rounded down; a divisor of one vanishes."""
    left, right = _pair(a, b)
    return left if is_const(right, 1) else binary("floordiv", left, right)


def floormod(a: ExprLike, b: ExprLike) -> Expr:
    """Return ``a % b`` with the sign of the divisor; modulo one is zero."""
    left, right = _pair(a, b)
    return Const(0, left.dtype) if is_const(right, 1) and left.dtype.lanes == 1 else binary("floormod", left, right)


def ceildiv(a: ExprLike, b: ExprLike) -> Expr:
    """Return ``a / b`` rounded up, for a positive divisor."""
    left, right = _pair(a, b)
    return left if is_const(right, 1) else floordiv(add(left, sub(right, 1)), right)


def minimum(a: ExprLike, b: ExprLike) -> Expr:
    """Return the smaller value."""
    left, right = _pair(a, b)
    return left if left == right else binary("min", left, right)


def maximum(a: ExprLike, b: ExprLike) -> Expr:
    """Return the larger value."""
    left, right = _pair(a, b)
    return left if left == right else binary("max", left, right)


def negate(a: Expr) -> Expr:
    """Return ``-a``."""
    return Const(-a.value, a.dtype) if isinstance(a, Const) and not a.dtype.is_bool else Unary("neg", a)


def logical_and(a: ExprLike, b: ExprLike) -> Expr:
    """Return ``a and b`` (bool) or the bitwise and (integers)."""
    left, right = _pair(a, b)
    if left.dtype == BOOL:
        if isinstance(left, Const):
            return right if left.value else left
        if isinstance(right, Const):
            return left if right.value else right
    return binary("and", left, right)


def logical_or(a: ExprLike, b: ExprLike) -> Expr:
    """Return ``a or b`` (bool) or the bitwise or (integers)."""
    left, right = _pair(a, b)
    if left.dtype == BOOL:
        if isinstance(left, Const):
            return left if left.value else right
        if isinstance(right, Const):
            return right if right.value else left
    return binary("or", left, right)


def compare(op: CompareOp, a: ExprLike, b: ExprLike) -> Expr:
    """Return the comparison, folded when both are literals."""
    left, right = _pair(a, b)
    if isinstance(left, Const) and isinstance(right, Const):
        return Const(_compared(op, left.value, right.value), BOOL)
    return Compare(op, left, right)


def select(condition: Expr, a: ExprLike, b: ExprLike) -> Expr:
    """Return ``a if condition else b``; a literal condition decides at once."""
    left, right = _pair(a, b)
    if isinstance(condition, Const):
        return left if condition.value else right
    return left if left == right else Select(condition, left, right)


def cast(target: DType, a: Expr) -> Expr:
    """Return ``a`` as ``target``; nothing if it has that type already."""
    wanted = target.with_lanes(a.dtype.lanes)
    return a if a.dtype == wanted else Cast(wanted, a)


def intrin(name: str, *args: Expr, dtype: DType | None = None) -> Intrin:
    """Return the call of an intrinsic; its dtype is that of the first argument unless given."""
    return Intrin(name, tuple(args), dtype if dtype is not None else args[0].dtype)


def all_of(conditions: list[Expr]) -> Expr | None:
    """Return the conjunction of ``conditions``; None if there is none."""
    result: Expr | None = None
    for condition in conditions:
        result = condition if result is None else logical_and(result, condition)
    return result
