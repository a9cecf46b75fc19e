"""Types of the graph level."""

from __future__ import annotations

from tondo.ir.dtype import DType
from tondo.ir.expr import Expr
from tondo.ir.node import Node, node


class Type(Node):
    """The type of a graph value."""

    __slots__ = ()


@node
class TensorType(Type):
    """A tensor of ``shape`` (one expression per dimension; None: rank unknown) and ``dtype``."""

    shape: tuple[Expr, ...] | None
    dtype: DType

    @property
    def dims(self) -> tuple[Expr, ...]:
        """The shape of a tensor of known rank.

        Raises:
            ValueError: if the rank is unknown.
        """
        if self.shape is None:
            msg = "the rank of the tensor is unknown"
            raise ValueError(msg)
        return self.shape

    @property
    def rank(self) -> int:
        """Number of dimensions, of a tensor of known rank."""
        return len(self.dims)


@node
class ScalarType(Type):
    """A scalar that is not a tensor (a dimension, a flag)."""

    dtype: DType


@node
class ShapeType(Type):
    """A shape of ``rank`` dimensions."""

    rank: int


@node
class TupleType(Type):
    """A fixed sequence of values."""

    items: tuple[Type, ...]


@node
class ObjectType(Type):
    """A value only foreign functions understand, by the name of its kind (``sequence``, ``string``)."""

    name: str


@node
class FunctionType(Type):
    """A function from ``params`` to ``results``."""

    params: tuple[Type, ...]
    results: tuple[Type, ...]
