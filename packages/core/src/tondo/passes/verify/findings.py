"""What a verifier rule is and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tondo.diagnostics.span import Span
from tondo.ir import GraphFunction, IRModule, TensorFunction


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule: what is wrong, and where in the source if known."""

    message: str
    span: Span | None = None


TensorCheck: TypeAlias = Callable[[IRModule, TensorFunction], Iterator[Finding]]
GraphCheck: TypeAlias = Callable[[IRModule, GraphFunction], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class TensorRule:
    """A rule of tensor functions; ``stage`` None: every stage; ``alone``: it looks at nothing else in the module."""

    name: str
    check: TensorCheck
    stage: str | None = None
    alone: bool = True


@dataclass(frozen=True, slots=True)
class GraphRule:
    """A rule of graph functions; ``stage`` None holds at every stage."""

    name: str
    check: GraphCheck
    stage: str | None = None
