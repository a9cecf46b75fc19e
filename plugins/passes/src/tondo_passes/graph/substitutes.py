"""What stands in for a call: a foreign function, an operator, a function of the module, or a library's kernel.

Each is checked against the types of the arguments and the results of the call; what does not fit is refused (TND-C007,
and TND-B006 from a library) with both signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tondo.arith import Analyzer
from tondo.diagnostics import TondoError, fail, suggest
from tondo.ir import (
    Atom,
    Attrs,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    Expr,
    GraphFunction,
    GraphVar,
    OpCall,
    Operation,
    TensorFunction,
    TensorType,
    Var,
    attrs_json,
    substitute,
    walk,
)
from tondo.passes import Miss
from tondo.passes.library import place
from tondo.script.print_expr import expr_text, type_text
from tondo.script.sizes import Declared, solved

if TYPE_CHECKING:
    from tondo.diagnostics import Span
    from tondo.passes import Library, PassContext
    from tondo_passes.graph.functions import Functions

_ANALYZER = Analyzer()


@dataclass(frozen=True, slots=True)
class Spot:
    """A call that is replaced.

    Attributes:
        operation: the call; None where a pattern of several is replaced.
        args: what is given to what stands in for it.
        results: what it must make.
        attrs: attributes that are handed on.
        label: for messages.
        span: where it is written.
    """

    operation: Operation | None
    args: tuple[Atom, ...]
    results: tuple[GraphVar, ...]
    attrs: Attrs
    label: str
    span: Span | None = None

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of the arguments."""
        return tuple(arg.tensor for arg in self.args)

    def refuse(self, what: str, reason: str) -> TondoError:
        """Return the error that ``what`` cannot stand in here."""
        given = ", ".join(type_text(kind) for kind in self.types)
        made = ", ".join(type_text(var.type) for var in self.results)
        try:
            fail(
                "TND-C007",
                f"{what} cannot stand in for {self.label}: {reason}",
                span=self.span,
                notes=[f"the call takes ({given}) and makes ({made})"],
            )
        except TondoError as error:
            return error


class Substitute(Protocol):
    """Makes the operation that stands in for a call."""

    def operation(self, spot: Spot) -> Operation:
        """Return the operation; raises TondoError if it does not fit."""
        ...


@dataclass(frozen=True, slots=True)
class ByPacked:
    """A foreign function, by name; it gets the arguments, then the results to fill, and attributes by name."""

    name: str
    effect: str

    def operation(self, spot: Spot) -> Operation:
        """Return the call of the foreign function."""
        what = f"the foreign function '{self.name}'"
        try:
            attrs_json(spot.attrs)
        except TypeError as error:
            raise spot.refuse(what, str(error)) from None
        if self.effect == "inplace" and not _same([spot.types[0]] if spot.args else [], spot.results[:1]):
            raise spot.refuse(what, "it writes its first argument, which is of another type than the result")
        self._check_scalars(spot, what)
        return CallPacked(self.name, spot.args, spot.attrs, self.effect)

    def _check_scalars(self, spot: Spot, what: str) -> None:
        """Refuse calls that give numbers which no shape tells the foreign function."""
        if not isinstance(spot.operation, CallDps):
            return
        kinds = [*spot.types, *(var.tensor for var in spot.results)]
        told = {item for kind in kinds for dim in kind.dims for item in walk(dim) if isinstance(item, Var)}
        for number in spot.operation.scalars:
            if any(isinstance(item, Var) and item not in told for item in walk(number)):
                raise spot.refuse(what, f"the call gives the number '{expr_text(number)}', which no shape tells")


@dataclass(frozen=True, slots=True)
class ByOperator:
    """An operator; where the call is one of a tensor function already, its definition."""

    name: str
    context: PassContext
    functions: Functions

    def operation(self, spot: Spot) -> Operation:
        """Return the call of the operator."""
        operator = self.context.operators.get(self.name)
        if operator is None:
            fail("TND-C004", f"unknown operator '{self.name}'", help=suggest(self.name, self.context.operators))
        what = f"the operator '{self.name}'"
        taken: list[tuple[Expr, Expr]] = []
        use = OpCall(self.name, spot.types, spot.attrs, taken)
        try:
            kinds = operator.infer(use)
        except TondoError as error:
            raise spot.refuse(what, error.diagnostics[0].message) from error
        if taken:
            raise spot.refuse(what, "it takes sizes to be equal that may differ")
        if not _same(kinds, spot.results):
            raise spot.refuse(what, f"it makes ({', '.join(type_text(kind) for kind in kinds)})")
        if not isinstance(spot.operation, CallDps):
            return Call(self.name, spot.args, spot.attrs)
        if operator.expand is not None:
            raise spot.refuse(what, "it is composed of others, and the calls of the module are defined already")
        function = self.functions.add(replace(operator.definition(use), name=self.name))
        return CallDps(function.name, spot.args, function.scalars)


@dataclass(frozen=True, slots=True)
class ByFunction:
    """A function of the module, of either level."""

    function: TensorFunction | GraphFunction

    def operation(self, spot: Spot) -> Operation:
        """Return the call of the function."""
        what = f"the function '{self.function.name}'"
        inputs, results = _signature(self.function)
        taken: list[tuple[Expr, Expr]] = []
        try:
            sizes = solved(inputs, OpCall(self.function.name, spot.types, taken=taken))
        except TondoError as error:
            raise spot.refuse(what, error.diagnostics[0].message) from error
        if taken:
            raise spot.refuse(what, "it takes sizes to be equal that may differ")
        kinds = [
            TensorType(tuple(substitute(dim, sizes) for dim in item.type.dims), item.type.dtype) for item in results
        ]
        if not _same(kinds, spot.results):
            raise spot.refuse(what, f"it makes ({', '.join(type_text(kind) for kind in kinds)})")
        if isinstance(self.function, GraphFunction):
            return CallGraph(self.function.name, spot.args)
        missing = [var.name for var in self.function.scalars if var not in sizes]
        if missing:
            raise spot.refuse(what, f"no shape gives its parameter '{missing[0]}'")
        return CallDps(self.function.name, spot.args, tuple(sizes[var] for var in self.function.scalars))


@dataclass(frozen=True, slots=True)
class ByLibrary:
    """A kernel of a library, for a call of a tensor function."""

    library: Library
    context: PassContext
    functions: Functions

    def operation(self, spot: Spot) -> Operation:
        """Return the call of the same function, to be run by the library."""
        call, what = spot.operation, f"the library '{self.library.name}'"
        if not isinstance(call, CallDps):
            raise spot.refuse(what, "it runs tensor functions; put graph.define before")
        function = self.functions[call.function]
        offer = self.library.match(function, self.context.target)
        if isinstance(offer, Miss):
            fail("TND-B006", f"{what} does not take {spot.label}: {offer.reason}", span=spot.span)
        placed = place(replace(function, name=f"{function.name}_{self.library.name}"), self.library.name, offer)
        return replace(call, function=self.functions.add(placed).name)


def _signature(function: TensorFunction | GraphFunction) -> tuple[list[Declared], list[Declared]]:
    if isinstance(function, GraphFunction):
        params = [Declared(param.name, param.tensor) for param in function.params]
        return params, [Declared(result.name, result.tensor) for result in function.results]
    kinds = {buffer: Declared(buffer.name, TensorType(buffer.shape, buffer.dtype)) for buffer in function.buffers}
    return [kinds[item] for item in function.input_buffers], [kinds[item] for item in function.output_buffers]


def _same(kinds: Sequence[TensorType], results: Sequence[GraphVar]) -> bool:
    return len(kinds) == len(results) and all(map(_same_type, kinds, (var.tensor for var in results)))


def _same_type(a: TensorType, b: TensorType) -> bool:
    if a.dtype != b.dtype or a.shape is None or b.shape is None or len(a.shape) != len(b.shape):
        return False
    return all(_ANALYZER.simplify(x) == _ANALYZER.simplify(y) for x, y in zip(a.shape, b.shape, strict=True))


def handed_on(attrs: Attrs, keep: Sequence[str], more: Mapping[str, object]) -> Attrs:
    """Return the attributes ``keep`` of a call and ``more``."""
    return Attrs({**{name: attrs[name] for name in keep if name in attrs}, **more})
