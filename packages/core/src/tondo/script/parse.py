"""Entry points of the parser: module texts, and decorators for functions in Python files."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import overload

from tondo.diagnostics import Diagnostic, Span, TondoError
from tondo.ir import ConstantData, GraphFunction, IRModule, TensorFunction
from tondo.script.parse_graph import ModuleReader
from tondo.script.reader import Source

PyFunction = Callable[..., object]


def parse(text: str, *, constants: Mapping[str, ConstantData] | None = None, file: str = "<script>") -> IRModule:
    """Return the module that ``text`` writes.

    Args:
        text: script, as :func:`tondo.script.script` prints it.
        constants: contents of the constants that the text only names by digest.
        file: name for messages.

    Raises:
        TondoError: TND-S001 (syntax), TND-S002 (unknown name), TND-S003 (types), with line and column.
    """
    source = Source(text, file)
    return ModuleReader(source, given=constants or {}).module(_tree(source))


def parse_function(function: PyFunction) -> TensorFunction | GraphFunction:
    """Return the function of the IR that the source of a decorated Python function writes."""
    source = _source(function)
    (tree,) = _tree(source).body
    assert isinstance(tree, ast.FunctionDef)  # noqa: S101  the source of a function is a function
    return ModuleReader(source).function(tree)


@overload
def tensor_function(function: PyFunction) -> TensorFunction: ...
@overload
def tensor_function(*, outputs: int = 1, attrs: Mapping[str, object] | None = None) -> Callable[[PyFunction], TensorFunction]: ...
def tensor_function(
    function: PyFunction | None = None, *, outputs: int = 1, attrs: Mapping[str, object] | None = None
) -> TensorFunction | Callable[[PyFunction], TensorFunction]:
    """Turn a Python function in script syntax into a tensor function. It is read, never run.

    Args:
        function: the function, when used as ``@tensor_function``.
        outputs: how many of the last buffers are written, when used as ``@tensor_function(outputs=...)``.
        attrs: attributes of the function, as literals.

    Raises:
        TondoError: TND-S..., at the place in the user's file.
    """
    del outputs, attrs  # the parser reads them from the source

    def convert(python: PyFunction) -> TensorFunction:
        made = parse_function(python)
        assert isinstance(made, TensorFunction)  # noqa: S101  the decorator decides the kind
        return made

    return convert if function is None else convert(function)


@overload
def graph_function(function: PyFunction) -> GraphFunction: ...
@overload
def graph_function(*, attrs: Mapping[str, object] | None = None) -> Callable[[PyFunction], GraphFunction]: ...
def graph_function(
    function: PyFunction | None = None, *, attrs: Mapping[str, object] | None = None
) -> GraphFunction | Callable[[PyFunction], GraphFunction]:
    """Turn a Python function in script syntax into a graph function. It is read, never run.

    Raises:
        TondoError: TND-S..., at the place in the user's file.
    """
    del attrs  # the parser reads them from the source

    def convert(python: PyFunction) -> GraphFunction:
        made = parse_function(python)
        assert isinstance(made, GraphFunction)  # noqa: S101  the decorator decides the kind
        return made

    return convert if function is None else convert(function)


def _tree(source: Source) -> ast.Module:
    try:
        return ast.parse(source.text)
    except SyntaxError as error:
        line, column = (error.lineno or 1) + source.first_line - 1, (error.offset or 1) + source.indent
        raise TondoError(
            Diagnostic("TND-S001", error.msg, Span(source.file, line, column, line, column + 1), source.line(line))
        ) from None


def _source(function: PyFunction) -> Source:
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError) as error:
        raise TondoError(
            Diagnostic("TND-S001", "the source of the function is not at hand", notes=(str(error),),
                       help="write it in a file or a notebook cell, or use parse(text)")
        ) from None
    text = "".join(lines)
    indent = len(lines[0]) - len(lines[0].lstrip())
    return Source(textwrap.dedent(text), inspect.getsourcefile(function) or "<script>", first, indent)
