"""What the compiler knows of an operator: its type rule and its definition as a tensor function.

Operators live in the operator library (a plugin); the core only defines what one is. Nothing in the core or in a
pass looks at an operator's name: after *define* only tensor functions remain, and these can be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tondo.ir.attrs import EMPTY, Attrs, AttrValue
from tondo.ir.expr import Expr, Var
from tondo.ir.function import GraphFunction, TensorFunction
from tondo.ir.node import walk
from tondo.ir.types import TensorType
from tondo.ir.visit import definitions, rename, substitute

TypeRule = Callable[["OpCall"], tuple[TensorType, ...]]
Definition = Callable[["OpCall"], TensorFunction]
Expansion = Callable[["OpCall", Mapping[str, "Operator"]], GraphFunction]

AttributeKind = Literal["int", "float", "str", "bool", "ints", "floats", "strs"]
"""A value, or a tuple of values."""


@dataclass(frozen=True, slots=True)
class OpCall:
    """One use of an operator: the types of its arguments and its attributes (symbolic dimensions included).

    ``taken``, if given, is where a type rule writes down pairs of sizes that it takes to be equal and cannot prove to
    be: whoever makes the use has to see to it.
    """

    op: str
    args: tuple[TensorType, ...]
    attrs: Attrs = EMPTY
    taken: list[tuple[Expr, Expr]] | None = field(default=None, compare=False, repr=False)

    def take(self, a: Expr, b: Expr) -> None:
        """Note that ``a`` and ``b`` are taken to be equal."""
        if self.taken is not None and a != b:
            self.taken.append((a, b))

    def symbols(self) -> frozenset[Var]:
        """Return the dimension variables in the types and the attributes."""
        roots = [*self.args, *_expressions(self.attrs)]
        return frozenset(item for root in roots for item in walk(root) if isinstance(item, Var))

    def with_symbols(self, values: Mapping[Var, Expr]) -> OpCall:
        """Return the use with dimension variables replaced."""
        args = tuple(substitute(arg, values) for arg in self.args)
        attrs = Attrs({name: _substituted(value, values) for name, value in self.attrs.items()})
        return OpCall(self.op, args, attrs)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute that an operator takes.

    Attributes:
        kind: of its value.
        default: its value where a use does not give one; None if every use has to.
    """

    kind: AttributeKind
    default: AttrValue = None


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of the graph level.

    Attributes:
        name: ``matmul``, or ``vendor.name`` for operators of other packages.
        infer: returns the types of the results, or raises TondoError TND-M006.
        define: returns the tensor function of this use. Its parameters are the free dimension variables of the
            call (sorted by name), the inputs, the outputs. Callers use :meth:`definition`.
        doc: one sentence.
        expand: for an operator that is composed of others: returns the graph function of this use, whose parameters
            are the inputs, given the operators by name. Such an operator has no definition of its own.
        inputs: how many inputs it takes; None if that is for ``infer`` to say.
        attributes: what it takes besides inputs, by name; nothing is said about them if empty.
        nodes: by frontend, which node of a model is a use of this operator: its inputs in order, its attributes by
            name; such as ``{"onnx": "com.acme::Gate"}``.
        digest: a text that changes with what the operator means, for operators that come without a versioned package.
    """

    name: str
    infer: TypeRule
    define: Definition
    doc: str = ""
    expand: Expansion | None = None
    inputs: int | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict[str, Attribute], hash=False)
    nodes: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    digest: str = ""

    def definition(self, use: OpCall) -> TensorFunction:
        """Return the tensor function of ``use``, whatever its dimensions are called.

        A definition names its buffers and loops without looking at the names of dimensions. Where such a name is a
        dimension of ``use`` as well, the definition is made for dimensions of other names, and what it introduces is
        renamed.
        """
        made = self.define(use)
        symbols = use.symbols()
        if _introduced(made).isdisjoint(var.name for var in symbols):
            return made
        stand_ins = _stand_ins(symbols, _introduced(made))
        apart = self.define(use.with_symbols(stand_ins))
        apart = rename(apart, _Fresh({var.name for var in symbols}))
        back = {stand_in: var for var, stand_in in stand_ins.items()}
        buffers = tuple(substitute(buffer, back) for buffer in apart.buffers)
        scalars = sorted((back.get(var, var) for var in apart.scalars), key=lambda var: var.name)
        return replace(apart, params=(*scalars, *buffers), body=substitute(apart.body, back))


class _Fresh:
    """Hands out names that are neither taken nor handed out before."""

    def __init__(self, taken: Collection[str]) -> None:
        self._taken = set(taken)

    def __call__(self, wish: str) -> str:
        name, number = wish, 1
        while name in self._taken:
            name, number = f"{wish}_{number}", number + 1
        self._taken.add(name)
        return name


def _stand_ins(symbols: Collection[Var], taken: Collection[str]) -> dict[Var, Var]:
    fresh = _Fresh({*taken, *(var.name for var in symbols)})
    return {var: Var(fresh(f"dim_{var.name}"), var.dtype) for var in symbols}


def _introduced(function: TensorFunction) -> set[str]:
    """Return the names of the buffers, loops and blocks of ``function``."""
    variables, local, blocks = definitions(function.body)
    return {item.name for item in (*variables, *local, *function.buffers)} | set(blocks)


def _expressions(value: AttrValue) -> Iterator[Expr]:
    match value:
        case Expr():
            yield value
        case Attrs():
            for item in value.values():
                yield from _expressions(item)
        case tuple():
            for item in value:
                yield from _expressions(item)
        case _:
            pass


def _substituted(value: AttrValue, values: Mapping[Var, Expr]) -> AttrValue:
    match value:
        case Expr():
            return substitute(value, values)
        case Attrs():
            return Attrs({name: _substituted(item, values) for name, item in value.items()})
        case tuple():
            return tuple(_substituted(item, values) for item in value)
        case _:
            return value
