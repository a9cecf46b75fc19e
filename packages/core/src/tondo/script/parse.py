"""Entry points of the parser: module texts, and decorators for functions in Python files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import overload

from tondo.diagnostics import Diagnostic, Span, TondoError
from tondo.ir import Attrs, ConstantData, GraphFunction, IRModule, TensorFunction
from tondo.script.parse_graph import ModuleReader
from tondo.script.python_source import PyFunction, function_source, syntax_tree
from tondo.script.reader import Source


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
    try:
        return ModuleReader(source, given=constants or {}).module(syntax_tree(source))
    except RecursionError:
        raise TondoError(Diagnostic("TND-S001", "the script is nested too deeply", Span(file, 1, 1, 1, 1))) from None


def parse_function(function: PyFunction) -> TensorFunction | GraphFunction:
    """Return the function of the IR that the source of a Python function in script syntax writes.

    Its decorator, ``tensor_function`` or ``graph_function``, says which kind it is.

    Raises:
        TondoError: TND-S..., at the place in the user's file.
    """
    source, tree = function_source(function)
    return ModuleReader(source).function(tree)


@overload
def tensor_function(function: PyFunction) -> TensorFunction: ...
@overload
def tensor_function(
    *, outputs: int = 1, attrs: Mapping[str, object] | None = None
) -> Callable[[PyFunction], TensorFunction]: ...
def tensor_function(
    function: PyFunction | None = None, *, outputs: int = 1, attrs: Mapping[str, object] | None = None
) -> TensorFunction | Callable[[PyFunction], TensorFunction]:
    """Turn a Python function in script syntax into a tensor function. It is read, never run.

    The file should begin with ``from __future__ import annotations``, because the annotations are script too.

    Args:
        function: the function, when used as ``@tensor_function``.
        outputs: how many of the last buffers are written, when used as ``@tensor_function(outputs=...)``.
        attrs: attributes of the function.

    Raises:
        TondoError: TND-S..., at the place in the user's file.
    """

    def convert(python: PyFunction) -> TensorFunction:
        source, tree = function_source(python)
        return ModuleReader(source).tensor_function(tree, outputs, Attrs(attrs))

    return convert if function is None else convert(function)


@overload
def graph_function(function: PyFunction) -> GraphFunction: ...
@overload
def graph_function(*, attrs: Mapping[str, object] | None = None) -> Callable[[PyFunction], GraphFunction]: ...
def graph_function(
    function: PyFunction | None = None, *, attrs: Mapping[str, object] | None = None
) -> GraphFunction | Callable[[PyFunction], GraphFunction]:
    """Turn a Python function in script syntax into a graph function. It is read, never run.

    Args:
        function: the function, when used as ``@graph_function``.
        attrs: attributes of the function, when used as ``@graph_function(attrs=...)``.

    Raises:
        TondoError: TND-S..., at the place in the user's file.
    """

    def convert(python: PyFunction) -> GraphFunction:
        source, tree = function_source(python)
        return ModuleReader(source).graph_function(tree, Attrs(attrs))

    return convert if function is None else convert(function)
