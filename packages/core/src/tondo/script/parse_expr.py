"""Scalar expressions, regions, attributes and types from Python syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tondo.diagnostics import suggest
from tondo.ir import (
    BOOL, FLOAT32, INT64, INTRINSICS, Attrs, AttrValue, Binary, Broadcast, Buffer, Cast, Compare, Const, DType, Expr,
    FunctionType, Intrin, Load, ObjectType, Ramp, Range, Region, ScalarType, Select, ShapeType, TensorType, TupleType, Type, Unary,
    Var, dtype, freeze,
)
from tondo.script.reader import Reader

_BINARY: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floordiv", ast.Mod: "floormod",
    ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor", ast.LShift: "shl", ast.RShift: "shr",
}
_COMPARE: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}
_NAMED_BINARY: Final = frozenset({"min", "max", "truncdiv", "truncmod"})
_FORMS: Final = frozenset({"select", "cast", "ramp", "broadcast", "load", "neg", "intrin", *_NAMED_BINARY})


class ExprReader(Reader):
    """Reads expressions with the names in scope."""

    def expr(self, tree: ast.expr, like: DType | None = None) -> Expr:
        """Return the expression; a bare number takes the dtype ``like`` where its own would not fit."""
        with self.checked(tree):
            value = self._expr(tree, like)
        return replace(value, span=self.source.span(tree))  # type: ignore[call-arg]  # every expression class has a span

    def _expr(self, tree: ast.expr, like: DType | None) -> Expr:  # noqa: PLR0911  one case per syntax class
        match tree:
            case ast.Constant():
                return self._literal(tree, like)
            case ast.Name():
                found = self.lookup(tree)
                return found if isinstance(found, Var) else self.fail(tree, f"'{tree.id}' is not a scalar", code="TND-S003")
            case ast.BinOp():
                if isinstance(tree.op, ast.Pow):
                    a, b = self._pair(tree.left, tree.right, like)
                    return Intrin("pow", (a, b), a.dtype)
                if type(tree.op) not in _BINARY:
                    self.fail(tree, "this operator is not part of the language")
                return Binary(_BINARY[type(tree.op)], *self._pair(tree.left, tree.right, like))  # type: ignore[arg-type]
            case ast.UnaryOp():
                return self._unary(tree, like)
            case ast.Compare():
                return self._compare(tree)
            case ast.BoolOp():
                return self._bool(tree)
            case ast.IfExp():
                return Select(self.expr(tree.test), *self._pair(tree.body, tree.orelse, like))
            case ast.Subscript():
                buffer, indices = self.access(tree)
                return Load(buffer, indices)
            case ast.Call():
                return self._call(tree, like)
            case _:
                return self.fail(tree, "this is not an expression of the language")

    def _literal(self, tree: ast.Constant, like: DType | None) -> Const:
        value = tree.value
        if isinstance(value, bool):
            return Const(value, BOOL)
        if isinstance(value, int):
            fits = like is not None and not like.is_bool
            return Const(value, like.element if fits and like is not None else INT64)
        if isinstance(value, float):
            return Const(value, like.element if like is not None and like.is_float else FLOAT32)
        return self.fail(tree, "expected a number")

    def _pair(self, left: ast.expr, right: ast.expr, like: DType | None) -> tuple[Expr, Expr]:
        if _is_number(left) and not _is_number(right):
            b = self.expr(right, like)
            return self._matched(left, b), b
        a = self.expr(left, like)
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
        if len(tree.ops) != 1 or type(tree.ops[0]) not in _COMPARE:
            self.fail(tree, "expected one comparison of two values", help="join several with '&'")
        return Compare(_COMPARE[type(tree.ops[0])], *self._pair(tree.left, tree.comparators[0], None))  # type: ignore[arg-type]

    def _bool(self, tree: ast.BoolOp) -> Expr:
        op = "and" if isinstance(tree.op, ast.And) else "or"
        value = self.expr(tree.values[0])
        for item in tree.values[1:]:
            value = Binary(op, value, self.expr(item))
        return value

    def _call(self, tree: ast.Call, like: DType | None) -> Expr:
        if not isinstance(tree.func, ast.Name):
            self.fail(tree, "expected the name of a function")
        name = tree.func.id
        if name in _NAMED_BINARY:
            left, right = self.positional(tree, 2)
            return Binary(name, *self._pair(left, right, like))  # type: ignore[arg-type]
        if name in _FORMS:
            return self._form(name, tree, like)
        if name in INTRINSICS:
            if name == "pow" and not tree.keywords:
                left, right = self.positional(tree, 2)
                a, b = self._pair(left, right, like)
                return Intrin("pow", (a, b), a.dtype)
            return self._intrin(name, tree, tree.args, like)
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
                return Ramp(self.expr(base), self.expr(stride), self.integer(lanes))
            case "broadcast":
                value, lanes = self.positional(tree, 2)
                return Broadcast(self.expr(value, like), self.integer(lanes))
            case "neg":
                return Unary("neg", self.expr(self.positional(tree, 1)[0], like))
            case "load":
                (access,) = self.positional(tree, 1)
                buffer, indices = self.access(access)
                where = self.keywords(tree, "where").get("where")
                return Load(buffer, indices, None if where is None else self.expr(where))
            case _:
                if not tree.args:
                    self.fail(tree, "expected the name of an intrinsic function")
                return self._intrin(self.text(tree.args[0]), tree, tree.args[1:], like)

    def _intrin(self, name: str, tree: ast.Call, args: Sequence[ast.expr], like: DType | None) -> Expr:
        info = INTRINSICS.get(name)
        if info is not None and len(args) != info.arity:
            self.fail(tree, f"'{name}' takes {info.arity} arguments, not {len(args)}")
        values: list[Expr] = []
        for arg in args:
            values.append(self.expr(arg, values[0].dtype if values else like))
        wanted = self.keywords(tree, "dtype").get("dtype")
        if wanted is None and not values:
            self.fail(tree, f"'{name}' without arguments needs a dtype")
        return Intrin(name, tuple(values), values[0].dtype if wanted is None else self.dtype(wanted))

    def _typed_literal(self, name: str, tree: ast.Call) -> Expr:
        try:
            kind = dtype(name)
        except ValueError:
            known = [*_FORMS, *INTRINSICS]
            self.fail(tree, f"unknown function '{name}'", code="TND-S002", help=suggest(name, known))
        (number,) = self.positional(tree, 1)
        if isinstance(number, ast.Constant) and isinstance(number.value, str):
            return Const(float(number.value), kind)
        value = self.expr(number, kind)
        if not isinstance(value, Const):
            return Cast(kind, value)
        return Const(value.value, kind)

    # -- accesses and regions

    def access(self, tree: ast.expr) -> tuple[Buffer, tuple[Expr, ...]]:
        """Return the buffer and the indices of ``A[i, j]``."""
        if not isinstance(tree, ast.Subscript):
            self.fail(tree, "expected an element of a buffer")
        buffer = self.buffer(tree.value)
        indices = tuple(self.expr(item, INT64) for item in _indices(tree))
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
            self.fail(tree, "expected a region of a buffer")
        buffer = self.buffer(tree.value)
        ranges = tuple(self._range(item) for item in _indices(tree))
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

    # -- declarations

    def shape(self, tree: ast.expr) -> tuple[Expr, ...]:
        """Return a tuple of dimensions; a new name among them becomes an int64 variable."""
        return tuple(self.dimension(item) for item in self.items(tree))

    def dimension(self, tree: ast.expr) -> Expr:
        """Return a dimension expression, defining the names that are new."""
        for item in ast.walk(tree):
            if isinstance(item, ast.Name) and self.find(item.id) is None and not _is_function(tree, item):
                self.scopes[0][item.id] = Var(item.id)
        return self.expr(tree, INT64)

    def buffer_declaration(self, name: str, call: ast.Call, args: Sequence[ast.expr]) -> Buffer:
        """Return the buffer that ``Buffer(shape, dtype, scope=, strides=, align=)`` declares."""
        if len(args) not in {1, 2}:
            self.fail(call, "expected a shape and a dtype")
        more = self.keywords(call, "scope", "strides", "align")
        return Buffer(
            name,
            self.shape(args[0]),
            FLOAT32 if len(args) == 1 else self.dtype(args[1]),
            self.text(more["scope"]) if "scope" in more else "global",
            self.shape(more["strides"]) if "strides" in more else None,
            self.integer(more["align"]) if "align" in more else 0,
        )

    def attrs(self, tree: ast.expr | None) -> Attrs:
        """Return a dictionary of attributes."""
        if tree is None:
            return Attrs()
        if not isinstance(tree, ast.Dict):
            self.fail(tree, "expected a dictionary")
        found: dict[str, AttrValue] = {}
        for key, value in zip(tree.keys, tree.values, strict=True):
            if key is None:
                self.fail(value, "expected a name and a value")
            found[self.text(key)] = self.attr(value)
        return Attrs(found)

    def attr(self, tree: ast.expr) -> AttrValue:
        """Return one attribute value."""
        if isinstance(tree, ast.Dict):
            return self.attrs(tree)
        if isinstance(tree, (ast.Tuple, ast.List)):
            return tuple(self.attr(item) for item in tree.elts)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            value = self.attr(tree.operand)
            return -value if isinstance(value, (int, float)) else self.fail(tree, "expected a number")
        if (call := self.call(tree, "expr")) is not None:
            return self.dimension(self.positional(call, 1)[0])
        if (call := self.call(tree, "dtype")) is not None:
            return self.dtype(self.positional(call, 1)[0])
        if (call := self.call(tree, "float")) is not None:
            return float(self.text(self.positional(call, 1)[0]))
        if isinstance(tree, ast.Constant):
            return freeze(tree.value)
        return self.fail(tree, "this is not an attribute value")

    def type(self, tree: ast.expr) -> Type:
        """Return a graph type."""
        call = self.call(tree, "Tensor", "Scalar", "Shape", "Object", "Tuple", "Function")
        if call is None:
            self.fail(tree, "expected a type", help="Tensor((n, 64), \"float32\")")
        assert isinstance(call.func, ast.Name)  # noqa: S101  guaranteed by self.call
        match call.func.id:
            case "Tensor":
                shape, kind = self.positional(call, 2)
                unknown = isinstance(shape, ast.Constant) and shape.value is None
                return TensorType(None if unknown else self.shape(shape), self.dtype(kind))
            case "Scalar":
                return ScalarType(self.dtype(self.positional(call, 1)[0]))
            case "Shape":
                return ShapeType(self.integer(self.positional(call, 1)[0]))
            case "Object":
                return ObjectType(self.text(self.positional(call, 1)[0]))
            case "Tuple":
                return TupleType(self.types(self.positional(call, 1)[0]))
            case _:
                params, results = self.positional(call, 2)
                return FunctionType(self.types(params), self.types(results))

    def types(self, tree: ast.expr) -> tuple[Type, ...]:
        """Return a tuple of graph types."""
        return tuple(self.type(item) for item in self.items(tree))


def _is_number(tree: ast.expr) -> bool:
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return _is_number(tree.operand)
    return isinstance(tree, ast.Constant) and isinstance(tree.value, (int, float)) and not isinstance(tree.value, bool)


def _indices(tree: ast.Subscript) -> list[ast.expr]:
    return tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]


def _is_function(tree: ast.AST, name: ast.Name) -> bool:
    return any(isinstance(item, ast.Call) and item.func is name for item in ast.walk(tree))
