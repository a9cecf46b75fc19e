"""Inputs of a model: their types, with symbolic dimensions named and the user's shapes applied."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from onnx import GraphProto, ValueInfoProto

from tondo.diagnostics import fail, suggest
from tondo.ir import Const, Expr, TensorType, floordiv
from tondo.plugin import LoadOptions
from tondo_onnx.build.dims import Dimensions
from tondo_onnx.build.kinds import HANDLE, object_of
from tondo_onnx.build.names import Names, identifier
from tondo_onnx.limits import Limits, check_size, exceed
from tondo_onnx.read.types import dtype_of

_MAX_FORMULA: Final = 200
_NAME: Final = re.compile(r"[A-Za-z_]\w*")


class Symbols:
    """Symbolic dimensions by the name that the model gives them."""

    def __init__(self, dims: Dimensions, names: Names, plain: Iterable[str]) -> None:
        """Make symbols with ``dims``; ``plain`` are all names of dimensions that are no formulas."""
        self._dims = dims
        self._names = names
        self._known: dict[str, Expr] = {}
        self._names_of: dict[str, str] = {}
        for name in plain:
            if _NAME.fullmatch(name):
                self.symbol(name)
        self._plain = frozenset(self._known)

    def symbol(self, name: str) -> Expr:
        """Return the dimension that the model or the user calls ``name``."""
        if name not in self._known:
            self._names_of[name] = self._names.claim(name, "d")
            self._known[name] = self._dims.symbol(self._names_of[name])
        return self._known[name]

    def names(self) -> Iterable[str]:
        """Return what the dimensions are called, in the module and in bounds."""
        return self._names_of.values()

    def of_model(self, name: str) -> Expr:
        """Return the dimension that the model calls ``name``, which may be a formula of others such as ``n + 1``."""
        if name in self._known:
            return self._known[name]
        formula = self._formula(name)
        return self.symbol(name) if formula is None else self._dims.simplify(formula)

    def _formula(self, text: str) -> Expr | None:
        if len(text) > _MAX_FORMULA:
            return None
        try:
            tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        return self._evaluate(tree)

    def _evaluate(self, tree: ast.expr) -> Expr | None:
        match tree:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                return Const(value)
            case ast.Name(id=name) if name in self._plain:
                return self._known[name]
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self._evaluate(left), self._evaluate(right)
                return None if a is None or b is None else _combine(op, a, b)
            case _:
                return None


def _combine(op: ast.operator, a: Expr, b: Expr) -> Expr | None:
    match op:
        case ast.Add():
            return a + b
        case ast.Sub():
            return a - b
        case ast.Mult():
            return a * b
        case ast.FloorDiv() | ast.Div() if isinstance(b, Const) and b.value:
            return floordiv(a, b)
        case _:
            return None


def input_types(
    graph: GraphProto, options: LoadOptions, dims: Dimensions, names: Names, limits: Limits
) -> dict[str, TensorType]:
    """Return the types of the inputs of the model by name, in order; initialisers are no inputs.

    Raises:
        TondoError: TND-U001, TND-U002, TND-U005 for the user's shapes; TND-M004, TND-M005 for the model's types.
    """
    stored = {tensor.name for tensor in graph.initializer} | {tensor.values.name for tensor in graph.sparse_initializer}
    inputs = [value for value in graph.input if value.name not in stored]
    _check_overrides(inputs, options)
    plain = [
        dim.dim_param
        for value in inputs
        if value.name not in options.inputs
        for dim in value.type.tensor_type.shape.dim
    ]
    chosen = [dim for shape in options.inputs.values() for dim in shape if isinstance(dim, str)]
    symbols = Symbols(dims, names, [*chosen, *plain])
    types = {value.name: _input_type(value, options.inputs, symbols, limits) for value in inputs}
    for name, type_ in types.items():
        check_size(type_, f"the input '{name}'")
    for name in dims.unused:
        known = list(symbols.names())
        fail(
            "TND-U001",
            f"the model has no dimension '{name}'",
            notes=[f"its symbolic dimensions: {', '.join(known) or 'none'}"],
            help=suggest(name, known) or "name the dimension in the model, or in inputs: {NAME: [batch, ...]}",
        )
    return types


def _check_overrides(inputs: Sequence[ValueInfoProto], options: LoadOptions) -> None:
    known = [value.name for value in inputs]
    seen: set[str] = set()
    for name in known:
        if name in seen:
            fail("TND-M004", f"the model has two inputs named '{name}'")
        seen.add(name)
    for name, shape in options.inputs.items():
        if name not in seen:
            fail(
                "TND-U001",
                f"the model has no input '{name}'",
                notes=[f"inputs: {', '.join(known) or 'none'}"],
                help=suggest(name, known),
            )
        for dim in shape:
            if isinstance(dim, str) and not dim.isidentifier():
                fail(
                    "TND-U005",
                    f"'{dim}' is not a name for a dimension of input '{name}'",
                    help="use letters, digits and _",
                )
            if isinstance(dim, int) and dim < 0:
                fail(
                    "TND-U005",
                    f"{dim} is not a size for a dimension of input '{name}'",
                    help="write a name to make a dimension symbolic: [batch, 3, 224, 224]",
                )


def _input_type(
    value: ValueInfoProto, overrides: Mapping[str, Sequence[int | str]], symbols: Symbols, limits: Limits
) -> TensorType:
    if object_of(value.type, f"input '{value.name}'") is not None:
        return HANDLE
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        fail(
            "TND-M005",
            f"input '{value.name}' is not a tensor but a {(kind or 'value without a type').removesuffix('_type')}",
            help="export the model with tensors as inputs",
        )
    tensor = value.type.tensor_type
    dtype = dtype_of(tensor.elem_type, f"input '{value.name}'")
    override = overrides.get(value.name)
    if override is None and not tensor.HasField("shape"):
        fail(
            "TND-M005",
            f"the rank of input '{value.name}' is unknown",
            help=f"give its shape: inputs: {{{value.name}: [batch, ...]}}",
        )
    rank = len(tensor.shape.dim) if tensor.HasField("shape") else len(override or ())
    if rank > limits.rank:
        exceed(f"the rank of input '{value.name}'", rank, limits, "rank")
    if override is not None and len(override) != rank:
        fail("TND-U002", f"input '{value.name}' has {rank} dimensions in the model, {len(override)} were given")
    if override is not None:
        return TensorType(tuple(symbols.symbol(dim) if isinstance(dim, str) else Const(dim) for dim in override), dtype)
    return TensorType(tuple(_dim(value, axis, symbols, limits) for axis in range(rank)), dtype)


def _dim(value: ValueInfoProto, axis: int, symbols: Symbols, limits: Limits) -> Expr:
    dim = value.type.tensor_type.shape.dim[axis]
    if dim.HasField("dim_value") and dim.dim_value >= 0:
        if dim.dim_value > limits.dim:
            exceed(f"dimension {axis} of input '{value.name}'", dim.dim_value, limits, "dim")
        return Const(dim.dim_value)
    if dim.dim_param:
        return symbols.of_model(dim.dim_param)
    return symbols.symbol(f"{identifier(value.name)}_d{axis}")
