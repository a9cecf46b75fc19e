"""Attributes of an operator become literals in the syntax tree of its function.

Before (with ``window=3``, ``scale=None``)::

    for w in range(window + 1):
        y[i, w] = x[i + w] if scale is None else x[i + w] * scale

After::

    for w in range(4):
        y[i, w] = x[i + w]

What follows from attributes alone is computed: arithmetic, comparisons, elements and lengths of tuples; of an ``if``
only the branch taken remains. So one function serves all values of its attributes, also where these decide about its
structure. Refuses (TND-S003) to assign to an attribute.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast

from tondo.ir import AttrValue, DType
from tondo.script.reader import Reader, Source

_MAX_SHIFT: Final = 64
_Number: TypeAlias = "int | float"
_BINARY: Final[dict[type[ast.operator], Callable[[_Number, _Number], _Number]]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: lambda a, b: a % b,
    ast.Pow: lambda a, b: float(a) ** float(b) if isinstance(a, float) or b < 0 else a**b,
}
_COMPARE: Final[dict[type[ast.cmpop], Callable[..., bool]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


def specialize(tree: ast.FunctionDef, values: Mapping[str, AttrValue], source: Source) -> ast.FunctionDef:
    """Return a copy of the body and the parameters of ``tree`` with ``values`` for the names of attributes.

    Raises:
        TondoError: TND-S003 for a statement that assigns to an attribute.
    """
    copied = _copy(tree)
    copied.args.kwonlyargs, copied.args.kw_defaults = [], []
    copied.decorator_list = []
    made = _Specializer(values, source).visit(copied)
    assert isinstance(made, ast.FunctionDef)
    return made


def literal(value: object) -> ast.expr:
    """Return ``value`` as a syntax tree: a constant, or a tuple of constants."""
    if isinstance(value, tuple):
        return ast.Tuple([literal(item) for item in cast("tuple[object, ...]", value)], ast.Load())
    if isinstance(value, str | int | float | bool | None):
        return ast.Constant(value)
    return ast.Constant(str(value))  # an element type


def _copy(tree: ast.FunctionDef) -> ast.FunctionDef:
    """Return a deep copy: trees are shared between uses."""
    made = _Copier().visit(tree)
    assert isinstance(made, ast.FunctionDef)
    return made


class _Copier(ast.NodeTransformer):
    def generic_visit(self, node: ast.AST) -> ast.AST:
        fields = {name: self._value(value) for name, value in ast.iter_fields(node)}
        return ast.copy_location(type(node)(**fields), node)

    def _value(self, value: object) -> object:
        if isinstance(value, ast.AST):
            return self.visit(value)
        return [self._value(item) for item in cast("list[object]", value)] if isinstance(value, list) else value


class _Specializer(ast.NodeTransformer):
    def __init__(self, values: Mapping[str, AttrValue], source: Source) -> None:
        self._values = values
        self._reader = Reader(source)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id not in self._values:
            return node
        if not isinstance(node.ctx, ast.Load):
            self._reader.fail(node, f"'{node.id}' is an attribute", code="TND-S003", help="give the value another name")
        made = ast.copy_location(literal(self._values[node.id]), node)
        return ast.fix_missing_locations(made)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        index = node.slice
        if not isinstance(node.value, ast.Tuple) or not _is_known(index):
            return node
        position = _value(index)
        if not isinstance(position, int) or not -len(node.value.elts) <= position < len(node.value.elts):
            self._reader.fail(node, f"there is no element {position!r}", code="TND-S003")
        return node.value.elts[position]

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = self._values.get(node.func.id) if isinstance(node.func, ast.Name) else None
        if isinstance(called, DType):  # T("inf") is float32("inf")
            node.func = ast.copy_location(ast.Name(str(called), ast.Load()), node.func)
        self.generic_visit(node)
        is_length = isinstance(node.func, ast.Name) and node.func.id == "len" and len(node.args) == 1
        if is_length and isinstance(items := node.args[0], ast.Tuple):
            return ast.copy_location(ast.Constant(len(items.elts)), node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        apply = _BINARY.get(type(node.op))
        if apply is None or not (_is_number(node.left) and _is_number(node.right)):
            return node
        left, right = _value(node.left), _value(node.right)
        assert isinstance(left, int | float)
        assert isinstance(right, int | float)
        whole = isinstance(left, int) and isinstance(right, int)
        if (isinstance(node.op, ast.Div) and whole) or (isinstance(node.op, ast.Pow) and abs(right) > _MAX_SHIFT):
            return node  # what '/' means for integers is for the language to say
        try:
            return ast.copy_location(ast.Constant(apply(left, right)), node)
        except ArithmeticError as error:
            return self._reader.fail(node, str(error), code="TND-S003")

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and _is_known(node.operand):
            return ast.copy_location(ast.Constant(not _value(node.operand)), node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        apply = _COMPARE.get(type(node.ops[0])) if len(node.ops) == 1 else None
        right = node.comparators[0]
        if apply is None or not (_is_known(node.left) and _is_known(right)):
            return node
        try:
            return ast.copy_location(ast.Constant(apply(_value(node.left), _value(right))), node)
        except TypeError as error:
            return self._reader.fail(node, str(error), code="TND-S003")

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        decisive = isinstance(node.op, ast.Or)
        rest = [item for item in node.values if not (_is_flag(item) and _value(item) is not decisive)]
        if any(_is_flag(item) for item in rest):
            return ast.copy_location(ast.Constant(decisive), node)
        if not rest:
            return ast.copy_location(ast.Constant(not decisive), node)
        return rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(node.op, rest), node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        test = self.visit(node.test)
        if _is_known(test):
            return self.visit(node.body if _value(test) else node.orelse)
        made = ast.IfExp(test, self.visit(node.body), self.visit(node.orelse))
        return ast.copy_location(made, node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        test = self.visit(node.test)
        if not _is_known(test):
            made = ast.If(test, self._suite(node.body), self._suite(node.orelse))
            return ast.copy_location(made, node)
        taken = self._suite(node.body if _value(test) else node.orelse)
        return taken or ast.copy_location(ast.Pass(), node)

    def _suite(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for stmt in body:
            found = cast("ast.stmt | list[ast.stmt]", self.visit(stmt))
            made.extend(found if isinstance(found, list) else [found])
        return made


def _is_known(tree: ast.AST) -> bool:
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        return _is_known(tree.operand)
    return isinstance(tree, ast.Constant) or (isinstance(tree, ast.Tuple) and all(map(_is_known, tree.elts)))


def _is_number(tree: ast.AST) -> bool:
    return _is_known(tree) and isinstance(_value(tree), int | float) and not _is_flag(tree)


def _is_flag(tree: ast.AST) -> bool:
    return isinstance(tree, ast.Constant) and isinstance(tree.value, bool)


def _value(tree: ast.AST) -> object:
    match tree:
        case ast.Constant():
            return tree.value
        case ast.Tuple():
            return tuple(_value(item) for item in tree.elts)
        case ast.UnaryOp():
            inner = _value(tree.operand)
            assert isinstance(inner, int | float)
            return -inner
        case _:
            raise TypeError(type(tree))
