"""What the compiler knows of an operator: its type rule and its definition as a tensor function.

Operators live in the operator library (a plugin); the core only defines what one is. Nothing in the core or in a
pass looks at an operator's name: after *define* only tensor functions remain, and these can be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tondo.ir.attrs import EMPTY, Attrs
from tondo.ir.function import TensorFunction
from tondo.ir.types import TensorType

TypeRule = Callable[["OpCall"], tuple[TensorType, ...]]
Definition = Callable[["OpCall"], TensorFunction]


@dataclass(frozen=True, slots=True)
class OpCall:
    """One use of an operator: the types of its arguments and its attributes (symbolic dimensions included)."""

    op: str
    args: tuple[TensorType, ...]
    attrs: Attrs = EMPTY


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of the graph level.

    Attributes:
        name: ``matmul``, or ``vendor.name`` for operators of other packages.
        infer: returns the types of the results, or raises TondoError TND-M006.
        define: returns the tensor function of this use. Its parameters are the free dimension variables of the
            call (sorted by name), the inputs, the outputs.
        doc: one sentence.
    """

    name: str
    infer: TypeRule
    define: Definition
    doc: str = ""
