"""Building modules of operator calls: types come from the operators' own rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tondo.diagnostics import fail
from tondo.ir import (
    Atom,
    Attrs,
    Binding,
    Call,
    CallDps,
    Const,
    ConstantData,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IRModule,
    OpCall,
    Operation,
    Operator,
    TensorFunction,
    TensorType,
    Var,
    as_expr,
    dtype,
)

Dim = int | str | Expr


class Graph:
    """A graph function that grows, with its constants; values have the names of what makes them."""

    def __init__(
        self, operators: Mapping[str, Operator], sizes: Mapping[str, int] | None = None, outer: Graph | None = None
    ) -> None:
        """Begin a function, or a region of ``outer``; dimensions that ``sizes`` names are not symbolic.

        ``names`` and ``constants`` are shared with the regions.
        """
        self._operators = operators
        self._sizes: Mapping[str, int] = sizes or {}
        self.names: set[str] = set() if outer is None else outer.names
        self.constants: dict[str, ConstantData] = {} if outer is None else outer.constants
        self._params: list[GraphVar] = []
        self._bindings: list[Binding] = []
        self._functions: list[TensorFunction] = []

    def input(self, name: str, shape: Sequence[Dim], kind: str = "float32") -> GraphVar:
        """Add a parameter; a dimension is a size, the name of a symbolic dimension, or an expression."""
        extents = [self.dim(extent) if isinstance(extent, str) else extent for extent in shape]
        var = GraphVar(self._fresh(name), tensor_type(extents, kind))
        self._params.append(var)
        return var

    def dim(self, name: str) -> Expr:
        """Return the dimension ``name``: a variable, or its size where that is fixed."""
        return Const(self._sizes[name]) if name in self._sizes else Var(name)

    def constant(self, array: npt.ArrayLike, name: str = "c") -> ConstantRef:
        """Add a constant."""
        data = ConstantData(np.asarray(array))
        name = self._fresh(name)
        self.constants[name] = data
        return ConstantRef(name, data.type)

    def call(self, op: str, *args: Atom, **attrs: object) -> GraphVar:
        """Call an operator of one result."""
        (var,) = self.calls(op, *args, **attrs)
        return var

    def calls(self, op: str, *args: Atom, **attrs: object) -> tuple[GraphVar, ...]:
        """Call an operator; returns all of its results."""
        if op not in self._operators:
            fail("TND-M003", f"no plugin provides the operator '{op}'")
        made = Attrs(attrs)
        types = self._operators[op].infer(OpCall(op, tuple(arg.tensor for arg in args), made))
        return self.bind(Call(op, args, made), *types, name=op)

    def bind(self, operation: Operation, *types: TensorType, name: str = "v") -> tuple[GraphVar, ...]:
        """Bind the results of ``operation``, which have ``types``."""
        found = tuple(GraphVar(self._fresh(name), kind) for kind in types)
        self._bindings.append(Binding(found, operation))
        return found

    def call_function(self, function: TensorFunction, *args: Atom) -> tuple[GraphVar, ...]:
        """Call a tensor function of the module; its scalars are dimensions of its buffers."""
        self._functions.append(function)
        types = [TensorType(buffer.shape, buffer.dtype) for buffer in function.output_buffers]
        return self.bind(CallDps(function.name, args, function.scalars), *types, name="y")

    def region(self, *results: Atom) -> GraphRegion:
        """Return what was built as a region."""
        return GraphRegion(tuple(self._params), tuple(self._bindings), results)

    def module(self, *results: Atom) -> IRModule:
        """Return what was built as the function ``main`` of a module; its outputs are called ``y0``, ``y1``, ..."""
        names = Attrs(output_names=tuple(f"y{index}" for index in range(len(results))))
        main = GraphFunction("main", tuple(self._params), tuple(self._bindings), results, names)
        return IRModule.of(main, *self._functions, constants=self.constants)

    def _fresh(self, wish: str) -> str:
        name, number = wish, 1
        while name in self.names:
            name, number = f"{wish}_{number}", number + 1
        self.names.add(name)
        return name


def tensor_type(shape: Sequence[Dim], kind: str) -> TensorType:
    """Return the type of ``shape``; names become symbolic dimensions."""
    extents = tuple(Var(extent) if isinstance(extent, str) else as_expr(extent) for extent in shape)
    return TensorType(extents, dtype(kind))
