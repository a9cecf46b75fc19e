"""``operator``: a decorated Python function is a complete operator of the graph level.

A function whose parameters are buffers says what it computes, loop by loop; the last buffers are its results::

    @tondo.operator(name="com.acme.gate", onnx="com.acme::Gate")
    def gate(
        x: Buffer((n, m), "float32"), w: Buffer((m,), "float32"), y: Buffer((n, m), "float32"), *, alpha: float = 1.0
    ):
        for i in range(n):
            for j in range(m):
                y[i, j] = x[i, j] / (1.0 + exp(-alpha * w[j] * x[i, j]))

A function whose parameters are tensors composes other operators::

    @tondo.operator(name="com.acme.gated_sum")
    def gated_sum(x: Tensor((n, m), "float32"), w: Tensor((m,), "float32")) -> Tensor((n,), "float32"):
        return reduce_sum(gate(x, w, alpha=2.0), axes=(1,), keepdims=False)

It is read, never run. Types of results follow from the types of arguments: names of sizes are solved from the inputs.
Refuses (TND-S...) at the place in the user's file or notebook cell what is not script, and sizes that no input gives.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import overload

from tondo.ir import Operator
from tondo.script.composed import Composed
from tondo.script.loops import Loops
from tondo.script.parse_types import DeclarationReader
from tondo.script.python_source import PyFunction, function_source
from tondo.script.signature import attributes_in, check_name, check_node
from tondo.script.written import Written


@overload
def operator(function: PyFunction) -> Operator: ...
@overload
def operator(
    *, name: str | None = None, onnx: str | None = None, outputs: int = 1
) -> Callable[[PyFunction], Operator]: ...
def operator(
    function: PyFunction | None = None, *, name: str | None = None, onnx: str | None = None, outputs: int = 1
) -> Operator | Callable[[PyFunction], Operator]:
    """Turn a Python function in script syntax into an operator.

    Args:
        function: the function, when used as ``@operator``.
        name: of the operator, such as ``"com.acme.gate"``; that of the function if left out.
        onnx: ``"domain::Op"``: nodes of this name in an ONNX model are uses of the operator.
        outputs: of a function on buffers: how many of the last ones are results.

    Raises:
        TondoError: TND-S..., at the place in the user's file; TND-U005 for a name that is none.
    """

    def convert(python: PyFunction) -> Operator:
        source, tree = function_source(python)
        own = check_name(name or tree.name)
        nodes = {} if onnx is None else {"onnx": check_node(onnx)}
        reader = DeclarationReader(source)
        attributes, types = attributes_in(tree, reader)
        written = Written(own, python, source, tree, attributes, types, outputs)
        kind = Composed(written) if _is_graph(tree, reader) else Loops(written)
        kind.check()
        return Operator(
            own,
            kind.infer,
            kind.define,
            (ast.get_docstring(tree) or "").split("\n")[0],
            kind.expand if isinstance(kind, Composed) else None,
            kind.inputs,
            attributes,
            nodes,
            written.digest(nodes),
        )

    return convert if function is None else convert(function)


def _is_graph(tree: ast.FunctionDef, reader: DeclarationReader) -> bool:
    """Whether the parameters are tensors, not buffers."""
    kinds: set[str] = set()
    for arg in tree.args.args:
        call = arg.annotation if isinstance(arg.annotation, ast.Call) else None
        named = call.func.id if call is not None and isinstance(call.func, ast.Name) else ""
        if named not in {"Buffer", "Tensor"}:
            reader.fail(
                arg,
                f"parameter '{arg.arg}' needs a type",
                help='Buffer((n, 64), "float32") or Tensor((n, 64), "float32"); attributes stand after \'*\'',
            )
        kinds.add(named)
    if len(kinds) != 1:
        reader.fail(tree, "an operator takes buffers or tensors, not both" if kinds else "an operator takes something")
    return kinds == {"Tensor"}
