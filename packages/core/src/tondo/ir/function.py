"""Functions of a module: graph functions and tensor functions."""

from __future__ import annotations

from dataclasses import field
from typing import TypeAlias

from tondo.diagnostics.span import Span
from tondo.ir.attrs import EMPTY, Attrs
from tondo.ir.buffer import Buffer
from tondo.ir.expr import Var
from tondo.ir.graph import Atom, Binding, GraphVar
from tondo.ir.node import Node, node
from tondo.ir.stmt import Stmt


@node
class TensorFunction(Node):
    """Loops over buffers.

    ``params`` are scalars (:class:`Var`, first) and buffers; the last ``outputs`` buffers are written, the others
    only read. Dimensions that occur in shapes are scalar parameters. Attributes of general meaning: ``stage``.
    """

    name: str
    params: tuple[Var | Buffer, ...]
    body: Stmt
    outputs: int = 1
    attrs: Attrs = EMPTY
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def scalars(self) -> tuple[Var, ...]:
        """The scalar parameters."""
        return tuple(param for param in self.params if isinstance(param, Var))

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """The buffer parameters, inputs before outputs."""
        return tuple(param for param in self.params if isinstance(param, Buffer))

    @property
    def input_buffers(self) -> tuple[Buffer, ...]:
        """The buffers that are only read."""
        buffers = self.buffers
        return buffers[: len(buffers) - self.outputs]

    @property
    def output_buffers(self) -> tuple[Buffer, ...]:
        """The buffers that are written."""
        buffers = self.buffers
        return buffers[len(buffers) - self.outputs :]


@node
class GraphFunction(Node):
    """A dataflow of tensors: parameters, bindings in order, results."""

    name: str
    params: tuple[GraphVar, ...]
    bindings: tuple[Binding, ...]
    results: tuple[Atom, ...]
    attrs: Attrs = EMPTY
    span: Span | None = field(default=None, compare=False, repr=False)


Function: TypeAlias = "TensorFunction | GraphFunction"
