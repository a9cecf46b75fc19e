"""What all parts of the script parser share: the source, places in it, names, messages."""

from __future__ import annotations

import ast
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import NoReturn

from tondo.diagnostics import Diagnostic, Span, TondoError, suggest
from tondo.ir import Buffer, DType, Var, dtype

Name = Var | Buffer


@dataclass(frozen=True)
class Source:
    """A text to parse: ``file`` for messages, ``first_line`` where it was cut out of a file."""

    text: str
    file: str = "<script>"
    first_line: int = 1

    @cached_property
    def lines(self) -> list[str]:
        """The lines as the Python parser counts them."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    @cached_property
    def _ascii(self) -> bool:
        return self.text.isascii()

    def span(self, tree: ast.AST) -> Span:
        """Return the place of ``tree`` in the file."""
        line = getattr(tree, "lineno", 1)
        column = getattr(tree, "col_offset", 0)
        end_line = getattr(tree, "end_lineno", None) or line
        end_column = getattr(tree, "end_col_offset", None) or column
        if not self._ascii:
            column, end_column = self._characters(line, column), self._characters(end_line, end_column)
        shift = self.first_line - 1
        return Span(self.file, line + shift, column + 1, end_line + shift, end_column + 1)

    def _characters(self, line: int, column: int) -> int:
        """Return the number of characters in the first ``column`` bytes of ``line``."""
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        return len(text.encode()[:column].decode(errors="replace"))

    def comment(self, tree: ast.AST) -> str | None:
        """Return the comment that follows ``tree`` on its last line."""
        line = getattr(tree, "end_lineno", 0)
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        if "#" not in text:
            return None
        before, sign, after = text.encode()[getattr(tree, "end_col_offset", 0) :].decode().partition("#")
        return after.strip() or None if sign and not before.strip() else None

    def line(self, number: int) -> str:
        """Return line ``number`` of the file."""
        index = number - self.first_line
        return self.lines[index] if 0 <= index < len(self.lines) else ""


@dataclass
class Reader:
    """Names in scope and the way to refuse something at its place."""

    source: Source
    scopes: list[dict[str, Name]] = field(default_factory=lambda: [{}])
    declaring: bool = False
    """Whether an unknown name becomes a dimension variable (inside the types of parameters and values)."""

    def fail(self, tree: ast.AST, message: str, *, code: str = "TND-S001", help: str | None = None) -> NoReturn:
        """Raise a TondoError at ``tree``."""
        span = self.source.span(tree)
        raise TondoError(Diagnostic(code, message, span, self.source.line(span.line), (), help))

    @contextmanager
    def scope(self, names: Mapping[str, Name] | None = None) -> Generator[None]:
        """Open a scope with ``names``."""
        self.scopes.append(dict(names or {}))
        try:
            yield
        finally:
            self.scopes.pop()

    def define(self, name: str, value: Name) -> None:
        """Define ``name`` in the innermost scope."""
        self.scopes[-1][name] = value

    def lookup(self, tree: ast.Name) -> Name:
        """Return what a name means; refuse an unknown one, or take it for a dimension where these are declared."""
        name = tree.id
        for scope in reversed(self.scopes):
            found = scope.get(name)
            if found is not None:
                return found
        if not self.declaring:
            known = [name for scope in self.scopes for name in scope]
            self.fail(tree, f"unknown name '{name}'", code="TND-S002", help=suggest(name, known))
        self.scopes[0][name] = Var(name)
        return self.scopes[0][name]

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
            return self.fail(tree, str(error), code="TND-S003")
