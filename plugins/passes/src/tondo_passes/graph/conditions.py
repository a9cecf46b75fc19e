"""Conditions on single calls: by name, by the node of the model, by facts of what is computed, by structure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tondo.arith import Analyzer
from tondo.diagnostics import TondoError
from tondo.ir import (
    EMPTY,
    INT64,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    Const,
    Expr,
    OpCall,
    TensorFunction,
    TensorType,
    add,
    digest,
    mul,
    simplify_with,
    substitute,
)
from tondo.script.sizes import Declared, solved
from tondo_schedule.facts import stages_of

if TYPE_CHECKING:
    from tondo.ir import Binding, Buffer, IRModule
    from tondo.passes import PassContext

_ANALYZER = Analyzer()


@dataclass(frozen=True)
class Condition:
    """What a call must fulfil; what is empty says nothing. Names are patterns with ``*`` and ``?``.

    Attributes:
        operator: the operator that it applies.
        function: the function of the module that it calls.
        packed: the foreign function that it calls.
        source: the node of the model that it comes from.
        kind: of a stage that it has, such as ``contraction``.
        min_flops: arithmetic operations that it does at least; a call of unknown sizes does not fit.
        max_flops: arithmetic operations that it does at most.
        computes: a tensor function that computes the same, up to names and sizes.
    """

    operator: str = ""
    function: str = ""
    packed: str = ""
    source: str = ""
    kind: str = ""
    min_flops: int = 0
    max_flops: int | None = None
    computes: TensorFunction | None = None

    @property
    def says_something(self) -> bool:
        """Whether any call does not fit."""
        return self != Condition()

    def holds(self, binding: Binding, calls: Calls) -> bool:
        """Return whether the call that ``binding`` holds fits."""
        return self._named(binding) and self._by_facts(binding, calls)

    def _named(self, binding: Binding) -> bool:
        operator = function = packed = ""
        match binding.operation:
            case Call(op=operator):
                pass
            case CallDps(function=function) | CallGraph(function=function):
                pass
            case CallPacked(name=packed):
                pass
            case _:
                return False
        given = ((self.operator, operator), (self.function, function), (self.packed, packed))
        names = [*given, (self.source, binding.source or "")]
        return all(fnmatchcase(name, pattern) for pattern, name in names if pattern)

    def _by_facts(self, binding: Binding, calls: Calls) -> bool:
        if not self.kind and not self.min_flops and self.max_flops is None and self.computes is None:
            return True
        function = calls.computed(binding)
        if function is None:
            return False
        if self.kind and all(stage.kind != self.kind for stage in stages_of(function) or ()):
            return False
        if self.computes is not None and not same_computation(self.computes, function):
            return False
        if not self.min_flops and self.max_flops is None:
            return True
        flops = flops_of(function)
        return flops is not None and self.min_flops <= flops and (self.max_flops is None or flops <= self.max_flops)


@dataclass(frozen=True)
class Calls:
    """What the calls of a module compute."""

    module: IRModule
    context: PassContext
    _known: dict[OpCall, TensorFunction | None] = field(default_factory=dict["OpCall", "TensorFunction | None"])

    def computed(self, binding: Binding) -> TensorFunction | None:
        """Return the tensor function that is called, or that defines the operator; None if there is none."""
        operation = binding.operation
        if isinstance(operation, CallDps):
            return self.module.tensor(operation.function)
        if not isinstance(operation, Call) or operation.op not in self.context.operators:
            return None
        use = OpCall(operation.op, tuple(arg.tensor for arg in operation.args), operation.attrs)
        if use not in self._known:
            operator = self.context.operators[use.op]
            self._known[use] = None if operator.expand is not None else operator.definition(use)
        return self._known[use]


def flops_of(function: TensorFunction) -> int | None:
    """Return the arithmetic operations of a call of ``function``; None if sizes are symbolic or its form is unknown."""
    stages = stages_of(function)
    if stages is None:
        return None
    total: Expr = Const(0)
    for stage in stages:
        total = add(total, mul(stage.points, stage.operations))
    total = _ANALYZER.simplify(total)
    return int(total.value) if isinstance(total, Const) else None


def same_computation(pattern: TensorFunction, function: TensorFunction) -> bool:
    """Return whether ``function`` is ``pattern`` with its sizes, up to names."""
    declared = [Declared(buffer.name, _type(buffer)) for buffer in pattern.buffers]
    taken: list[tuple[Expr, Expr]] = []
    use = OpCall(function.name, tuple(_type(buffer) for buffer in function.buffers), EMPTY, taken)
    if len(declared) != len(use.args) or pattern.outputs != function.outputs:
        return False
    try:
        sizes = solved(declared, use)
    except TondoError:
        return False
    if taken:
        return False
    buffers = tuple(substitute(buffer, sizes) for buffer in pattern.buffers)
    given = replace(
        pattern, params=(*function.scalars, *buffers), body=substitute(pattern.body, sizes), attrs=function.attrs
    )
    return digest(_tidied(given)) == digest(_tidied(function))


def _tidied(function: TensorFunction) -> TensorFunction:
    """Return ``function`` with sizes and indices in one form."""
    return simplify_with(function, lambda expr: _ANALYZER.simplify(expr) if expr.dtype == INT64 else expr)


def _type(buffer: Buffer) -> TensorType:
    return TensorType(buffer.shape, buffer.dtype)
