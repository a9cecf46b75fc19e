"""What all parts of the script parser share: the source, places in it, names, messages."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from tondo.diagnostics import Diagnostic, Span, TondoError, suggest
from tondo.ir import Buffer, DType, GraphVar, Var, dtype

Name = Var | Buffer | GraphVar


@dataclass(frozen=True)
class Source:
    """A text to parse: ``file`` for messages, ``first_line`` and ``indent`` where it was cut out of a file."""

    text: str
    file: str = "<script>"
    first_line: int = 1
    indent: int = 0

    def span(self, tree: ast.AST) -> Span:
        """Return the place of ``tree`` in the file."""
        line = getattr(tree, "lineno", 1)
        column = getattr(tree, "col_offset", 0)
        end_line = getattr(tree, "end_lineno", None) or line
        end_column = getattr(tree, "end_col_offset", None) or column
        shift = self.first_line - 1
        return Span(self.file, line + shift, column + 1 + self.indent, end_line + shift, end_column + 1 + self.indent)

    def line(self, number: int) -> str:
        """Return line ``number`` of the file."""
        lines = self.text.splitlines()
        index = number - self.first_line
        return " " * self.indent + lines[index] if 0 <= index < len(lines) else ""


@dataclass
class Reader:
    """Names in scope and the way to refuse something at its place."""

    source: Source
    scopes: list[dict[str, Name]] = field(default_factory=lambda: [{}])

    def fail(self, tree: ast.AST, message: str, *, code: str = "TND-S001", help: str | None = None) -> NoReturn:  # noqa: A002
        """Raise a TondoError at ``tree``."""
        span = self.source.span(tree)
        raise TondoError(Diagnostic(code, message, span, self.source.line(span.line), (), help))

    @contextmanager
    def checked(self, tree: ast.AST) -> Iterator[None]:
        """Turn a type error of a node's constructor into a message at ``tree``."""
        try:
            yield
        except TypeError as error:
            self.fail(tree, str(error), code="TND-S003")

    @contextmanager
    def scope(self, names: Mapping[str, Name] | None = None) -> Iterator[None]:
        """Open a scope with ``names``."""
        self.scopes.append(dict(names or {}))
        try:
            yield
        finally:
            self.scopes.pop()

    def define(self, name: str, value: Name) -> None:
        """Define ``name`` in the innermost scope."""
        self.scopes[-1][name] = value

    def find(self, name: str) -> Name | None:
        """Return what ``name`` means, None if nothing."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        return None

    def lookup(self, tree: ast.Name) -> Name:
        """Return what a name means; refuse an unknown one."""
        found = self.find(tree.id)
        if found is None:
            known = [name for scope in self.scopes for name in scope]
            self.fail(tree, f"unknown name '{tree.id}'", code="TND-S002", help=suggest(tree.id, known))
        return found

    # -- plain Python values

    def call(self, tree: ast.expr, *names: str) -> ast.Call | None:
        """Return ``tree`` if it is a call of one of the functions ``names``."""
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id in names:
            return tree
        return None

    def keywords(self, call: ast.Call, *allowed: str) -> dict[str, ast.expr]:
        """Return the keyword arguments of ``call``; refuse any other than ``allowed``."""
        found: dict[str, ast.expr] = {}
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg not in allowed:
                self.fail(keyword.value, f"unknown argument '{keyword.arg}'", help=suggest(str(keyword.arg), allowed))
            found[keyword.arg] = keyword.value
        return found

    def positional(self, call: ast.Call, low: int, high: int | None = None) -> list[ast.expr]:
        """Return the positional arguments of ``call``, between ``low`` and ``high`` of them."""
        high = low if high is None else high
        if not low <= len(call.args) <= high:
            wanted = str(low) if low == high else f"{low} to {high}"
            self.fail(call, f"takes {wanted} arguments, not {len(call.args)}")
        return call.args

    def text(self, tree: ast.expr) -> str:
        """Return a string literal."""
        if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
            return tree.value
        return self.fail(tree, "expected a string")

    def integer(self, tree: ast.expr) -> int:
        """Return an integer literal."""
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
            return -self.integer(tree.operand)
        if isinstance(tree, ast.Constant) and isinstance(tree.value, int) and not isinstance(tree.value, bool):
            return tree.value
        return self.fail(tree, "expected an integer")

    def flag(self, tree: ast.expr) -> bool:
        """Return True or False."""
        if isinstance(tree, ast.Constant) and isinstance(tree.value, bool):
            return tree.value
        return self.fail(tree, "expected True or False")

    def items(self, tree: ast.expr) -> list[ast.expr]:
        """Return the items of a tuple or list."""
        if isinstance(tree, (ast.Tuple, ast.List)):
            return tree.elts
        return self.fail(tree, "expected a tuple")

    def dtype(self, tree: ast.expr) -> DType:
        """Return a dtype, given by its name as a string or bare."""
        name = tree.id if isinstance(tree, ast.Name) else self.text(tree)
        try:
            return dtype(name)
        except ValueError as error:
            self.fail(tree, str(error), code="TND-S003")
