"""Shapes, buffers, attributes and graph types from Python syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from tondo.diagnostics import suggest
from tondo.ir import (
    FLOAT32,
    INT64,
    Attrs,
    AttrValue,
    Buffer,
    Expr,
    FunctionType,
    ObjectType,
    ScalarType,
    ShapeType,
    TensorType,
    TupleType,
    Type,
    Var,
)
from tondo.script.parse_expr import ExprReader

_TYPES = ("Tensor", "Scalar", "Shape", "Object", "Tuple", "Function")


class DeclarationReader(ExprReader):
    """Reads what declares something: shapes, buffers, attributes, types."""

    def shape(self, tree: ast.expr) -> tuple[Expr, ...]:
        """Return a tuple of dimensions of known names."""
        return tuple([self.expr(item, INT64) for item in self.items(tree)])

    def declared_shape(self, tree: ast.expr) -> tuple[Expr, ...]:
        """Return a tuple of dimensions; a new name among them becomes an int64 variable."""
        before, self.declaring = self.declaring, True
        found = self.shape(tree)
        self.declaring = before
        return found

    def buffer_declaration(self, name: str, call: ast.Call, args: Sequence[ast.expr]) -> Buffer:
        """Return the buffer that ``Buffer(shape, dtype, scope=, strides=, align=)`` declares."""
        if len(args) not in {1, 2}:
            self.fail(call, "expected a shape and a dtype")
        more = self.keywords(call, "scope", "strides", "align")
        shape = self.shape(args[0])
        strides = self.shape(more["strides"]) if "strides" in more else None
        if strides is not None and len(strides) != len(shape):
            self.fail(more["strides"], f"expected {len(shape)} strides, not {len(strides)}", code="TND-S003")
        return Buffer(
            name,
            shape,
            FLOAT32 if len(args) == 1 else self.dtype(args[1]),
            self.text(more["scope"]) if "scope" in more else "global",
            strides,
            self.integer(more["align"]) if "align" in more else 0,
        )

    # -- attributes

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
        match tree:
            case ast.Dict():
                return self.attrs(tree)
            case ast.Tuple(elts=items) | ast.List(elts=items):
                return tuple(self.attr(item) for item in items)
            case ast.UnaryOp(op=ast.USub()):
                value = self.attr(tree.operand)
                return -value if isinstance(value, (int, float)) else self.fail(tree, "expected a number")
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Call(func=ast.Name(id="expr" | "var" | "dtype" | "float" as name)):
                return self._made_attr(name, tree)
            case _:
                return self.fail(tree, "this is not an attribute value")

    def _made_attr(self, name: str, call: ast.Call) -> AttrValue:
        if name == "var":
            text, kind = self.positional(call, 2)
            return Var(self.text(text), self.dtype(kind))
        (arg,) = self.positional(call, 1)
        if name == "dtype":
            return self.dtype(arg)
        if name == "float":
            if self.text(arg) not in {"nan", "inf", "-inf"}:
                self.fail(arg, "expected 'nan', 'inf' or '-inf'", code="TND-S003")
            return float(self.text(arg))
        before, self.declaring = self.declaring, True
        value = self.expr(arg)
        self.declaring = before
        return value

    # -- graph types

    def type(self, tree: ast.expr) -> Type:
        """Return a graph type; new names in its shapes become dimension variables."""
        call = self.call(tree, *_TYPES)
        if call is None:
            found = tree.func if isinstance(tree, ast.Call) else tree
            name = found.id if isinstance(found, ast.Name) else ""
            self.fail(tree, "expected a type", help=suggest(name, _TYPES) or 'Tensor((n, 64), "float32")')
        assert isinstance(call.func, ast.Name)
        match call.func.id:
            case "Tensor":
                shape, kind = self.positional(call, 2)
                unknown = isinstance(shape, ast.Constant) and shape.value is None
                return TensorType(None if unknown else self.declared_shape(shape), self.dtype(kind))
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
