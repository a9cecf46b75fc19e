"""Script: the IR as Python syntax, printed and parsed back.

``parse(script(module), constants=module.constants)`` equals ``module``. Functions of either level can be written in
Python files with the decorators :func:`tensor_function` and :func:`graph_function`; with :func:`operator`, a function
becomes an operator.
"""

from __future__ import annotations

from tondo.script.nests import with_blocks
from tondo.script.operator import operator
from tondo.script.parse import graph_function, parse, parse_function, tensor_function
from tondo.script.print_graph import script

__all__ = ["graph_function", "operator", "parse", "parse_function", "script", "tensor_function", "with_blocks"]
