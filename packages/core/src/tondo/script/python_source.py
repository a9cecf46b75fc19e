"""The source of Python functions and texts as syntax trees, with the lines and columns of the user's file."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable

from tondo.diagnostics import Diagnostic, Span, TondoError
from tondo.script.reader import Source

PyFunction = Callable[..., object]


def syntax_tree(source: Source) -> ast.Module:
    """Return the tree of a text.

    Raises:
        TondoError: TND-S001 with line and column of what is no Python.
    """
    try:
        return ast.parse(source.text)
    except SyntaxError as error:
        line, column = (error.lineno or 1) + source.first_line - 1, error.offset or 1
        raise TondoError(
            Diagnostic("TND-S001", error.msg, Span(source.file, line, column, line, column + 1), source.line(line))
        ) from None
    except (ValueError, MemoryError) as error:  # a null byte; nesting beyond the Python parser's stack
        message = str(error) or "the script is nested too deeply"
        raise TondoError(Diagnostic("TND-S001", message, Span(source.file, 1, 1, 1, 1))) from None


def function_source(function: PyFunction) -> tuple[Source, ast.FunctionDef]:
    """Return the text of ``function`` and its syntax tree, with the lines and columns of the file.

    The source is that of a file or of a notebook cell.

    Raises:
        TondoError: TND-S001 where there is no source, or no ``def``.
    """
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise TondoError(
            Diagnostic(
                "TND-S001",
                "the source of the function is not at hand",
                notes=(str(error),),
                help="write it in a file or a notebook cell, or use parse(text)",
            )
        ) from None
    file = inspect.getsourcefile(function) or "<script>"
    if lines[0][0].isspace():  # an indented function needs something around it
        source = Source("".join(["if True:\n", *lines]), file, first - 1)
        (outer,) = syntax_tree(source).body
        assert isinstance(outer, ast.If)
        tree = outer.body[0]
    else:
        source = Source("".join(lines), file, first)
        tree = syntax_tree(source).body[0]
    if not isinstance(tree, ast.FunctionDef):
        raise TondoError(
            Diagnostic(
                "TND-S001", "only a function written with 'def' can be read", source.span(tree), lines[0].rstrip()
            )
        )
    return source, tree
