"""Scalar expressions, accesses and regions from Python syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Final

from tondo.diagnostics import suggest
from tondo.ir import (
    BOOL,
    FLOAT32,
    INT64,
    INTRINSICS,
    Binary,
    Broadcast,
    Buffer,
    Cast,
    Compare,
    Const,
    DType,
    Expr,
    Intrin,
    Load,
    Ramp,
    Range,
    Region,
    Select,
    Unary,
    Var,
    dtype,
)
from tondo.ir.expr import BinaryOp, CompareOp
from tondo.script.reader import Reader

_BINARY: Final[dict[type[ast.operator], BinaryOp]] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.FloorDiv: "floordiv",
    ast.Mod: "floormod",
    ast.BitAnd: "and",
    ast.BitOr: "or",
    ast.BitXor: "xor",
    ast.LShift: "shl",
    ast.RShift: "shr",
    ast.Pow: "pow",
}
_COMPARE: Final[dict[type[ast.cmpop], CompareOp]] = {
    ast.Eq: "eq",
    ast.NotEq: "ne",
    ast.Lt: "lt",
    ast.LtE: "le",
    ast.Gt: "gt",
    ast.GtE: "ge",
}
_NAMED_BINARY: Final[dict[str, BinaryOp]] = {
    "min": "min",
    "max": "max",
    "truncdiv": "truncdiv",
    "truncmod": "truncmod",
}
_FORMS: Final = frozenset({"select", "cast", "ramp", "broadcast", "load", "neg", "intrin", *_NAMED_BINARY})


class ExprReader(Reader):
    """Reads expressions with the names in scope."""

    def expr(self, tree: ast.expr, like: DType | None = None) -> Expr:
        """Return the expression; a bare number takes the dtype ``like`` where its own would not fit."""
        if isinstance(tree, ast.BinOp):
            return self._chain(tree, like)
        return self._placed(tree, lambda: self._expr(tree, like))

    def _placed(self, tree: ast.expr, make: Callable[[], Expr]) -> Expr:
        """Return ``make()`` with the place of ``tree``; a type error of a node's constructor is told there."""
        try:
            value = make()
        except TypeError as error:
            self.fail(tree, str(error), code="TND-S003")
        span = self.source.span(tree)
        if isinstance(value, Var):
            return Var(value.name, value.dtype, span)
        object.__setattr__(value, "span", span)  # made just now, not shared yet
        return value

    def _expr(self, tree: ast.expr, like: DType | None) -> Expr:
        match tree:
            case ast.Constant():
                return self._literal(tree, like)
            case ast.Name():
                found = self.lookup(tree)
                return (
                    found
                    if isinstance(found, Var)
                    else self.fail(tree, f"'{tree.id}' is not a scalar", code="TND-S003")
                )
            case ast.UnaryOp():
                return self._unary(tree, like)
            case ast.Compare():
                return self._compare(tree)
            case ast.BoolOp():
                return self._bool(tree)
            case ast.IfExp():
                return Select(self.expr(tree.test), *self._pair(tree.body, tree.orelse, like))
            case ast.Subscript():
                return Load(*self.access(tree))
            case ast.Call():
                return self._call(tree, like)
            case _:
                return self.fail(tree, "this is not an expression of the language")

    def _literal(self, tree: ast.Constant, like: DType | None) -> Const:
        value = tree.value
        if isinstance(value, bool):
            return Const(value, BOOL)
        if isinstance(value, int):
            return Const(value, INT64 if like is None or like.is_bool else like.element)
        if isinstance(value, float):
            return Const(value, like.element if like is not None and like.is_float else FLOAT32)
        return self.fail(tree, "expected a number")

    def _chain(self, tree: ast.BinOp, like: DType | None) -> Expr:
        """Return a chain of binary operators, from the innermost left operand outwards (sums may be very long)."""
        spine: list[ast.BinOp] = [tree]
        while isinstance(spine[-1].left, ast.BinOp):
            spine.append(spine[-1].left)
        value: Expr | None = None
        for item in reversed(spine):
            op = _BINARY.get(type(item.op))
            if op is None:
                self.fail(item, "this operator is not part of the language")
            a, b = self._pair(item.left, item.right, like, value)
            value = self._placed(item, lambda op=op, a=a, b=b: Binary(op, a, b))
        assert value is not None
        return value

    def _pair(
        self, left: ast.expr, right: ast.expr, like: DType | None, known: Expr | None = None
    ) -> tuple[Expr, Expr]:
        """Return two operands; ``known`` is the left one if it was read already."""
        if known is None and _is_number(left) and not _is_number(right):
            b = self.expr(right, like)
            return self._matched(left, b), b
        a = self.expr(left, like) if known is None else known
        return a, (self._matched(right, a) if _is_number(right) else self.expr(right, a.dtype))

    def _matched(self, number: ast.expr, other: Expr) -> Expr:
        """Return a bare number next to ``other``: in its dtype, spread over its lanes."""
        value = self.expr(number, other.dtype)
        return value if other.dtype.lanes == 1 or value.dtype.lanes > 1 else Broadcast(value, other.dtype.lanes)

    def _unary(self, tree: ast.UnaryOp, like: DType | None) -> Expr:
        if isinstance(tree.op, ast.USub):
            value = self.expr(tree.operand, like)
            if isinstance(tree.operand, ast.Constant) and isinstance(value, Const):
                return Const(-value.value, value.dtype)
            return Unary("neg", value)
        if isinstance(tree.op, (ast.Invert, ast.Not)):
            return Unary("not", self.expr(tree.operand, like))
        return self.fail(tree, "this operator is not part of the language")

    def _compare(self, tree: ast.Compare) -> Expr:
        op = _COMPARE.get(type(tree.ops[0]))
        if len(tree.ops) != 1 or op is None:
            self.fail(tree, "expected one comparison of two values", help="join several with '&'")
        return Compare(op, *self._pair(tree.left, tree.comparators[0], None))

    def _bool(self, tree: ast.BoolOp) -> Expr:
        op: BinaryOp = "and" if isinstance(tree.op, ast.And) else "or"
        value = self.expr(tree.values[0])
        for item in tree.values[1:]:
            value = Binary(op, value, self.expr(item))
        return value

    # -- calls

    def _call(self, tree: ast.Call, like: DType | None) -> Expr:
        if not isinstance(tree.func, ast.Name):
            self.fail(tree, "expected the name of a function")
        name = tree.func.id
        if name in _NAMED_BINARY:
            left, right = self.positional(tree, 2)
            return Binary(_NAMED_BINARY[name], *self._pair(left, right, like))
        if name in _FORMS:
            return self._form(name, tree, like)
        if name in INTRINSICS:
            return self._known_intrin(name, tree, like)
        return self._typed_literal(name, tree)

    def _form(self, name: str, tree: ast.Call, like: DType | None) -> Expr:
        match name:
            case "select":
                condition, a, b = self.positional(tree, 3)
                return Select(self.expr(condition), *self._pair(a, b, like))
            case "cast":
                wanted, value = self.positional(tree, 2)
                return Cast(self.dtype(wanted), self.expr(value))
            case "ramp":
                base, stride, lanes = self.positional(tree, 3)
                start = self.expr(base)
                return Ramp(start, self.expr(stride, start.dtype), self.integer(lanes))
            case "broadcast":
                value, lanes = self.positional(tree, 2)
                return Broadcast(self.expr(value, like), self.integer(lanes))
            case "neg":
                return Unary("neg", self.expr(self.positional(tree, 1)[0], like))
            case "load":
                (access,) = self.positional(tree, 1)
                where = self.keywords(tree, "where").get("where")
                return Load(*self.access(access), None if where is None else self.expr(where))
            case _:
                return self._other_intrin(tree)

    def _known_intrin(self, name: str, tree: ast.Call, like: DType | None) -> Expr:
        """Return an intrinsic of the table; all arguments have the dtype of the first."""
        arity = INTRINSICS[name].arity
        if len(tree.args) != arity:
            self.fail(tree, f"'{name}' takes {arity} arguments, not {len(tree.args)}")
        wanted = self.keywords(tree, "dtype").get("dtype")
        usual = like if wanted is None else None
        if arity == 1:
            values = (self.expr(tree.args[0], usual),)
        else:
            a, b = self._pair(tree.args[0], tree.args[1], usual)
            values = (
                a,
                b,
                *(self._matched(arg, a) if _is_number(arg) else self.expr(arg, a.dtype) for arg in tree.args[2:]),
            )
        return Intrin(name, values, values[0].dtype if wanted is None else self.dtype(wanted))

    def _other_intrin(self, tree: ast.Call) -> Expr:
        """Return ``intrin("name", ...)``: of any name, arguments of any dtypes."""
        if not tree.args:
            self.fail(tree, "expected the name of an intrinsic function")
        name = self.text(tree.args[0])
        values = tuple(self.expr(arg) for arg in tree.args[1:])
        wanted = self.keywords(tree, "dtype").get("dtype")
        if wanted is None and not values:
            self.fail(tree, f"'{name}' without arguments needs a dtype")
        return Intrin(name, values, values[0].dtype if wanted is None else self.dtype(wanted))

    def _typed_literal(self, name: str, tree: ast.Call) -> Expr:
        try:
            kind = dtype(name)
        except ValueError:
            known = [*_FORMS, *INTRINSICS]
            self.fail(tree, f"unknown function '{name}'", code="TND-S002", help=suggest(name, known))
        (number,) = self.positional(tree, 1)
        if isinstance(number, ast.Constant) and isinstance(number.value, str):
            if number.value not in {"nan", "inf", "-inf"} or not kind.is_float:
                self.fail(number, "expected 'nan', 'inf' or '-inf' of a floating-point type", code="TND-S003")
            return Const(float(number.value), kind)
        value = self.expr(number, kind)
        if not isinstance(value, Const):
            return Cast(kind, value)
        if value.dtype.is_float and not kind.is_float:
            self.fail(number, f"{value.value} is not a value of {kind}", code="TND-S003", help=f'cast("{kind}", ...)')
        return Const(value.value, kind)

    # -- accesses and regions

    def access(self, tree: ast.expr) -> tuple[Buffer, tuple[Expr, ...]]:
        """Return the buffer and the indices of ``A[i, j]``."""
        if not isinstance(tree, ast.Subscript):
            self.fail(tree, "expected an element of a buffer", help="A[i, j]")
        buffer = self.buffer(tree.value)
        indices = tuple([self.expr(item, INT64) for item in _indices(tree)])
        self._check_rank(tree, buffer, len(indices))
        return buffer, indices

    def buffer(self, tree: ast.expr) -> Buffer:
        """Return the buffer that a name means."""
        if not isinstance(tree, ast.Name):
            self.fail(tree, "expected the name of a buffer")
        found = self.lookup(tree)
        return found if isinstance(found, Buffer) else self.fail(tree, f"'{tree.id}' is not a buffer", code="TND-S003")

    def region(self, tree: ast.expr) -> Region:
        """Return the region that ``A[i, b:+e]`` means."""
        if not isinstance(tree, ast.Subscript):
            self.fail(tree, "expected a region of a buffer", help="A[i, begin:+extent]")
        buffer = self.buffer(tree.value)
        ranges = tuple([self._range(item) for item in _indices(tree)])
        self._check_rank(tree, buffer, len(ranges))
        return Region(buffer, ranges)

    def _range(self, tree: ast.expr) -> Range:
        if not isinstance(tree, ast.Slice):
            return Range(self.expr(tree, INT64), Const(1))
        upper = tree.upper
        if tree.lower is None or not (isinstance(upper, ast.UnaryOp) and isinstance(upper.op, ast.UAdd)):
            self.fail(tree, "expected 'begin:+extent'")
        return Range(self.expr(tree.lower, INT64), self.expr(upper.operand, INT64))

    def _check_rank(self, tree: ast.AST, buffer: Buffer, count: int) -> None:
        if count != buffer.rank:
            self.fail(tree, f"'{buffer.name}' has {buffer.rank} dimensions, not {count}", code="TND-S003")


def _is_number(tree: ast.expr) -> bool:
    while isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        tree = tree.operand
    return isinstance(tree, ast.Constant) and isinstance(tree.value, (int, float)) and not isinstance(tree.value, bool)


def _indices(tree: ast.Subscript) -> Sequence[ast.expr]:
    return tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
