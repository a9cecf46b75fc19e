"""What a name of the model stands for: a tensor of the graph, a constant, or elements known as expressions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np

from tondo.ir import Atom, Const, DType, Expr, TensorType
from tondo_onnx.build.kinds import HANDLE, Kind, Object, Tensors


@dataclass(frozen=True, slots=True)
class Ratio:
    """The number ``numerator / denominator``: an element of a floating-point tensor that was computed from sizes."""

    numerator: Expr
    denominator: int


Element: TypeAlias = "int | float | bool | Expr | Ratio"


class Value:
    """A tensor while the graph is being built.

    Attributes:
        type: its type.
        atom: the graph's value or constant; None until somebody needs it as a tensor.
        elements: what is known of its elements: an array of ``type.dtype``, or an object array of :data:`Element`.
        hint: what to call it.
        object: what it stands for if it is no tensor but the handle of another value.
    """

    __slots__ = ("atom", "elements", "hint", "object", "type")

    def __init__(self, type: TensorType, atom: Atom | None, elements: np.ndarray | None, hint: str) -> None:
        """Take the parts; ``atom`` or ``elements`` must be there."""
        self.type = type
        self.atom = atom
        self.elements = elements
        self.hint = hint
        self.object: Object | None = None

    @property
    def kind(self) -> Kind:
        """What it stands for."""
        return self.object or Tensors(self.dtype, self.rank)

    @property
    def dims(self) -> tuple[Expr, ...]:
        """The shape."""
        return self.type.dims

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return self.type.rank

    @property
    def dtype(self) -> DType:
        """Element type."""
        return self.type.dtype

    @property
    def numbers(self) -> np.ndarray | None:
        """The contents, if all of them are numbers."""
        return None if self.elements is None or self.elements.dtype == object else self.elements


def handle(value: Value, kind: Kind | None) -> Value:
    """Return ``value`` as the handle of an object of ``kind``."""
    assert value.type == HANDLE
    value.object = kind if not isinstance(kind, Tensors) else None
    return value


def settled(elements: np.ndarray, dtype: DType) -> np.ndarray:
    """Return an object array as an array of ``dtype`` if all of its elements are numbers."""
    if elements.dtype != object:
        return elements
    plain = [item.value if isinstance(item, Const) else item for item in elements.reshape(-1)]
    if any(isinstance(item, (Expr, Ratio)) for item in plain):
        result = np.empty(len(plain), object)
        result[:] = plain
        return result.reshape(elements.shape)
    return np.array(plain).astype(dtype.numpy).reshape(elements.shape)


def fraction(value: float, limit: int = 1 << 20) -> Fraction | None:
    """Return ``value`` as a fraction with a denominator of at most ``limit``, if it is exactly one."""
    if value != value or value in {float("inf"), float("-inf")}:
        return None
    exact = Fraction(value)
    return exact if exact.denominator <= limit else None
