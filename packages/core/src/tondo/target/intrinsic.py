"""Declarations of instructions: what one computes, as a tensor function, and how it is emitted.

The compiler matches the semantics against the blocks of a program (auto-tensorisation), so an instruction is used
wherever its computation appears, whatever the operator was called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from tondo.ir import TensorFunction
    from tondo.ir.dtype import DType
    from tondo.target.target import Target


@dataclass(frozen=True, slots=True)
class Operand:
    """How a parameter of the semantic function lies in memory or registers.

    Attributes:
        name: name of the function's parameter.
        dtype: element type.
        shape: extents, row-major.
        access: read, write, or both (an accumulator).
        scope: where it must lie: ``"register"`` and ``"global"`` mean any ordinary memory, from which the emission
            loads it; else a scope that a plugin names, such as ``"amx.tile"``.
        strides: per dimension, how many elements apart neighbours must lie in memory, None for any distance (also
            zero); None if nothing is demanded. An emission that loads along dimension 1 in vectors asks for
            ``(None, 1)``. What distance there is, an emission learns from a variable as a stride of its buffer.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    access: Literal["read", "write", "update"]
    scope: str = "register"
    strides: tuple[int | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class LlvmCall:
    """Emission as one call of an LLVM intrinsic with the operands in order, such as ``llvm.fma.v8f32``."""

    intrinsic: str


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """A declared instruction.

    Attributes:
        name: unique dotted name, such as ``"x86.fma.float32x8"``.
        semantics: what it computes, as a tensor function over its operands.
        features: LLVM names of the features that the target must have.
        operands: layout of each parameter of ``semantics``, in order.
        cost: cycles per execution when many are in flight (reciprocal throughput).
        emission: a lowered body with the same parameters, or the LLVM intrinsic to call.
    """

    name: str
    semantics: TensorFunction
    features: frozenset[str]
    operands: tuple[Operand, ...]
    cost: float
    emission: TensorFunction | LlvmCall

    def available(self, target: Target) -> bool:
        """Return whether ``target`` has every feature that the instruction needs."""
        return target.has(*self.features)


@dataclass(frozen=True, slots=True)
class IntrinsicFamily:
    """Instructions that differ in parameters, declared when a schedule asks for one.

    Attributes:
        name: unique dotted name, such as ``"x86.fma_tile"``; names of members begin with it.
        pattern: what members compute and which parameters tell them apart, a name that schedule rules and families
            agree on, see :mod:`tondo.target.patterns`.
        features: LLVM names of the features that the target must have.
        cost: cycles of a member per vector operation, which orders families that serve equally; a member's own cost is
            exact.
        make: returns the member for the pattern's parameters (by name), None if there is none.
    """

    name: str
    pattern: str
    features: frozenset[str]
    cost: float
    make: Callable[..., Intrinsic | None]

    def available(self, target: Target) -> bool:
        """Return whether ``target`` has every feature that the members need."""
        return target.has(*self.features)

    def member(self, **parameters: int | DType) -> Intrinsic | None:
        """Return the member for ``parameters``, None if there is none."""
        return self.make(**parameters)


@runtime_checkable
class Instruction(Protocol):
    """What a plugin may declare: an :class:`Intrinsic` or an :class:`IntrinsicFamily`."""

    @property
    def name(self) -> str:
        """Unique dotted name."""
        ...

    @property
    def features(self) -> frozenset[str]:
        """What the target must have."""
        ...

    @property
    def cost(self) -> float:
        """Cycles."""
        ...

    def available(self, target: Target) -> bool:
        """Return whether ``target`` has every feature."""
        ...
