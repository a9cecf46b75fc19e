"""Graph functions in A-normal form: every binding names the results of one operation on named values.

An operation may have several results; a binding names them all, so that no tuples have to be taken apart.
"""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

from tondo.diagnostics.span import Span
from tondo.ir.attrs import EMPTY, Attrs
from tondo.ir.expr import Expr
from tondo.ir.node import Node, node
from tondo.ir.types import TensorType, Type


@node
class GraphVar(Node):
    """A value of the graph; the name is the identity within its function."""

    name: str
    type: Type

    @property
    def tensor(self) -> TensorType:
        """The type, of a value that is a tensor.

        Raises:
            TypeError: if it is not.
        """
        if not isinstance(self.type, TensorType):
            msg = f"'{self.name}' is not a tensor"
            raise TypeError(msg)
        return self.type


@node
class ConstantRef(Node):
    """A constant tensor, by its name in the module's constants."""

    name: str
    type: TensorType

    @property
    def tensor(self) -> TensorType:
        """The type."""
        return self.type


Atom: TypeAlias = "GraphVar | ConstantRef"


class Operation(Node):
    """The right-hand side of a binding."""

    __slots__ = ()


@node
class Call(Operation):
    """Apply the operator ``op`` (its meaning comes from the operator library) to ``args``."""

    op: str
    args: tuple[Atom, ...]
    attrs: Attrs = EMPTY


@node
class CallDps(Operation):
    """Call tensor function ``function`` in destination-passing style.

    The callee's parameters are: the scalars, the inputs, the outputs. The caller provides the memory of the
    outputs, whose types are those of the bound variables.
    """

    function: str
    args: tuple[Atom, ...]
    scalars: tuple[Expr, ...] = ()


@node
class CallPacked(Operation):
    """Call the registered foreign function ``name`` on ``args``; it fills output tensors of the bound types.

    ``attrs`` reach it by name. It returns, and does not fill, tensors whose types introduce dimensions. ``effect`` is
    ``pure``, ``inplace`` (writes its first argument) or ``io`` (ordered with other effects).
    """

    name: str
    args: tuple[Atom, ...]
    attrs: Attrs = EMPTY
    effect: str = "pure"


@node
class CallGraph(Operation):
    """Call another graph function of the module."""

    function: str
    args: tuple[Atom, ...]


@node
class ShapeValue(Operation):
    """An int64 tensor of shape ``[len(dims)]`` (or a scalar tensor, if ``scalar``) made of dimension expressions."""

    dims: tuple[Expr, ...]
    scalar: bool = False


@node
class MatchShape(Operation):
    """The argument itself, with its shape taken as ``dims``; new variables are bound, the rest is checked."""

    arg: Atom
    dims: tuple[Expr, ...]


@node
class BindDims(Operation):
    """The elements of ``arg``, an int64 tensor of rank 0 or 1, equal ``dims`` (see :func:`tondo.ir.unknown_of`).

    From here on the variables in ``dims`` are dimensions, so a size may depend on the contents of a tensor. Its binding
    names no values; a negative element fails the call.
    """

    arg: Atom
    dims: tuple[Expr, ...]


@node
class Reinterpret(Operation):
    """The memory of ``arg`` seen in the shape of the bound variable; nothing is copied.

    Both are stored contiguously in row-major order and have the same element type and number of elements. A view of a
    window has fewer elements: those from element ``offset`` of ``arg`` on, counted in that order.
    """

    arg: Atom
    offset: Expr | None = None


@node
class Join(Operation):
    """The arguments one after the other along ``axis``, each stored in its part of the result; nothing is copied.

    Every argument is the result of another binding, part of this value alone, and used by calls of tensor functions
    and joins only: see :func:`tondo.ir.parts_of` for where it lies.
    """

    args: tuple[GraphVar, ...]
    axis: int


@node
class GraphRegion(Node):
    """Bindings with parameters and results; sees the values and dimensions of the function around it.

    Dimensions that its parameters or bindings introduce are its own.
    """

    params: tuple[GraphVar, ...]
    bindings: tuple[Binding, ...]
    results: tuple[Atom, ...]


@node
class IfRegion(Operation):
    """Run ``then`` or ``orelse`` (no parameters) by the boolean tensor ``condition`` of one element.

    Dimensions that are new in the types of the bound variables take the extents of the results of the branch taken.
    """

    condition: Atom
    then: GraphRegion
    orelse: GraphRegion


@node
class LoopRegion(Operation):
    """Run ``body`` at most ``trips`` times while its first result is true.

    Body parameters: iteration number, condition, carried values. Results: condition, carried values, scanned
    values (stacked along a new first dimension). The shape of a carried value may change from trip to trip: dimensions
    that are new in the type of its parameter take the extents of what it holds in this trip, and those that are new in
    the type of the bound variable what it holds in the end.
    """

    trips: Atom | None
    condition: Atom | None
    carried: tuple[Atom, ...]
    body: GraphRegion


@node
class Binding(Node):
    """``vars = operation``; ``source`` names where it came from (the node of the model), for messages and profiles."""

    vars: tuple[GraphVar, ...]
    operation: Operation
    source: str | None = field(default=None, compare=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def var(self) -> GraphVar:
        """The only variable of a binding of one."""
        (var,) = self.vars
        return var
