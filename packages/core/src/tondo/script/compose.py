"""Graph operators that are composed of others: statements in script become bindings of a graph function.

Before (``x: (n, 64) float32``, ``scale=0.5``)::

    t = sigmoid(x * scale)
    return mul(x, t)

After::

    number: Tensor((), "float32") = call("fill", attrs={"shape": (), "value": 0.5, "dtype": dtype("float32")})
    mul_1: Tensor((n, 64), "float32") = call("mul", x, number)
    t: Tensor((n, 64), "float32") = call("sigmoid", mul_1)
    result: Tensor((n, 64), "float32") = call("mul", x, t)

An operator is called by its name, or by the name of a Python function that is one; ``call("com.acme.gate", x)`` is for
names that are no identifiers. Keywords are attributes; sizes of the parameters may stand in them. ``+ - * / @`` and
``-`` are the operators of arithmetic; a number takes the element type of the other side. ``a, b = split(...)`` names
several results. Types of intermediate values are inferred. ``y: Tensor(...) = call_packed("name", x)`` calls a foreign
function.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Final

from tondo.arith import Analyzer
from tondo.diagnostics import Diagnostic, TondoError, suggest
from tondo.ir import (
    FLOAT32,
    INT64,
    Atom,
    Attrs,
    AttrValue,
    Binding,
    Call,
    CallPacked,
    Const,
    DType,
    Expr,
    GraphVar,
    MatchShape,
    OpCall,
    Operation,
    Operator,
    TensorType,
)
from tondo.script.parse_types import DeclarationReader
from tondo.script.print_expr import expr_text, type_text

_ARITHMETIC: Final[dict[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.Div: "div",
    ast.Mod: "mod",
    ast.Pow: "pow",
    ast.MatMult: "matmul",
}
_EFFECTS: Final = ("pure", "inplace", "io")
_ANALYZER: Final = Analyzer()


@dataclass
class Composer(DeclarationReader):
    """Reads the body of an operator for given types of its parameters.

    Attributes:
        operators: the operators that the body may call, by name.
        called: returns the name of the operator that a Python name stands for.
        sizes: what the names of sizes in the types of the parameters stand for.
        values: the values in scope, at first the parameters.
        bindings: what was made of the statements so far.
    """

    operators: Mapping[str, Operator] = field(default_factory=dict[str, Operator])
    called: Callable[[str], str] = str
    sizes: Mapping[str, Expr] = field(default_factory=dict[str, Expr])
    values: dict[str, Atom] = field(default_factory=dict[str, Atom])
    bindings: list[Binding] = field(default_factory=list[Binding])
    _taken: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        """Keep the names of the parameters."""
        self._taken.update(self.values)

    def statements(self, body: Sequence[ast.stmt]) -> tuple[Atom, ...]:
        """Read a suite that ends with ``return`` and return its results."""
        for position, stmt in enumerate(body):
            match stmt:
                case ast.Return():
                    if position + 1 < len(body):
                        self.fail(body[position + 1], "nothing may follow 'return'")
                    if stmt.value is None:
                        self.fail(stmt, "an operator returns a value")
                    items = stmt.value.elts if isinstance(stmt.value, ast.Tuple) else [stmt.value]
                    return tuple(self._tensor(item, "result") for item in items)
                case ast.Assign(targets=[ast.Name() as target]):
                    self._define(target, self._tensor(stmt.value, target.id))
                case ast.Assign(targets=[ast.Tuple(elts=targets)]):
                    self._several(targets, stmt.value)
                case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
                    self._annotated(target, stmt.annotation, value)
                case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                    continue
                case _:
                    self.fail(stmt, "expected 'name = value' or 'return value'")
        return self.fail(body[-1], "an operator returns a value", help="end it with 'return value'")

    def _define(self, target: ast.Name, value: Atom) -> None:
        self.values[target.id] = value

    def _several(self, targets: Sequence[ast.expr], value: ast.expr) -> None:
        names = [item for item in targets if isinstance(item, ast.Name)]
        call = value if isinstance(value, ast.Call) else None
        if call is None or len(names) != len(targets):
            self.fail(value, "expected a call of an operator with several results and a name for each")
        made = self._applied(call, [name.id for name in names])
        if len(made) != len(names):
            self.fail(value, f"the operator has {len(made)} results, not {len(names)}", code="TND-S003")
        for name, item in zip(names, made, strict=True):
            self._define(name, item)

    def _annotated(self, target: ast.Name, annotation: ast.expr, value: ast.expr) -> None:
        kind = self.type(annotation)
        if not isinstance(kind, TensorType):
            self.fail(annotation, "expected a tensor type", code="TND-S003")
        packed = self.call(value, "call_packed")
        if packed is not None:
            self._define(target, self._packed(packed, kind, target.id))
            return
        found = self._tensor(value, target.id)
        self._define(target, self.as_type(annotation, found, kind, target.id))

    def as_type(self, tree: ast.AST, value: Atom, kind: TensorType, name: str) -> Atom:
        """Return ``value`` as a tensor of ``kind``; sizes that are not known to be equal are compared at run time."""
        given = value.tensor
        if given == kind:
            return value
        if given.dtype != kind.dtype or given.rank != kind.rank:
            self.fail(tree, f"the value is {_text(given)}, not {_text(kind)}", code="TND-S003")
        (result,) = self._emit(MatchShape(value, kind.dims), (kind,), (name,), tree)
        return result

    # -- expressions

    def _tensor(self, tree: ast.expr, name: str, like: DType | None = None) -> Atom:
        match tree:
            case ast.Name():
                return self._value(tree)
            case ast.Call():
                made = self._applied(tree, [name])
                if len(made) != 1:
                    self.fail(tree, f"the operator has {len(made)} results", help="name each: a, b = ...")
                return made[0]
            case ast.BinOp():
                return self._arithmetic(tree, name)
            case ast.UnaryOp(op=ast.USub()) if not _is_number(tree):
                return self._apply("neg", [self._tensor(tree.operand, name)], Attrs(), [name], tree)[0]
            case _ if _is_number(tree):
                return self._number(tree, like or FLOAT32)
            case _:
                return self.fail(tree, "expected a value, a call of an operator, or arithmetic on values")

    def _value(self, tree: ast.Name) -> Atom:
        found = self.values.get(tree.id)
        if found is None:
            self.fail(tree, f"unknown value '{tree.id}'", code="TND-S002", help=suggest(tree.id, self.values))
        return found

    def _arithmetic(self, tree: ast.BinOp, name: str) -> Atom:
        op = _ARITHMETIC.get(type(tree.op))
        if op is None:
            self.fail(tree, "this operator is not part of the language")
        if _is_number(tree.left) and not _is_number(tree.right):
            right = self._tensor(tree.right, name)
            args = [self._tensor(tree.left, name, right.tensor.dtype), right]
        else:
            left = self._tensor(tree.left, name)
            args = [left, self._tensor(tree.right, name, left.tensor.dtype)]
        return self._apply(op, args, Attrs(), [name], tree)[0]

    def _number(self, tree: ast.expr, kind: DType) -> Atom:
        value = self.attr(tree)
        if isinstance(value, float) and not kind.is_float:
            self.fail(tree, f"{value} is not a value of {kind}", code="TND-S003")
        attrs = Attrs(shape=(), value=float(value) if kind.is_float and isinstance(value, int) else value, dtype=kind)
        return self._apply("fill", [], attrs, ["number"], tree)[0]

    # -- calls

    def _applied(self, tree: ast.Call, names: Sequence[str]) -> tuple[Atom, ...]:
        if not isinstance(tree.func, ast.Name):
            self.fail(tree, "expected the name of an operator")
        if tree.func.id == "call_packed":
            self.fail(tree, "the result of a foreign function needs a type", help="y: Tensor((n,), 'float32') = ...")
        if tree.func.id == "call":
            if not tree.args:
                self.fail(tree, "expected the name of an operator")
            op, args = self.text(tree.args[0]), tree.args[1:]
        else:
            op, args = self.called(tree.func.id), tree.args
        attrs: dict[str, AttrValue] = {}
        for keyword in tree.keywords:
            if keyword.arg is None:
                self.fail(keyword.value, "expected name=value")
            if tree.func.id == "call" and keyword.arg == "attrs":
                attrs.update(self.attrs(keyword.value))
            else:
                attrs[keyword.arg] = self.attr(keyword.value)
        values = [self._tensor(arg, names[0]) for arg in args]
        return self._apply(op, values, Attrs(attrs), names, tree)

    def _packed(self, call: ast.Call, kind: TensorType, name: str) -> Atom:
        options = self.keywords(call, "attrs", "effect")
        effect = self.text(options["effect"]) if "effect" in options else "pure"
        if effect not in _EFFECTS:
            self.fail(options["effect"], f"unknown effect '{effect}'", help=f"one of {', '.join(_EFFECTS)}")
        if not call.args:
            self.fail(call, "expected the name of a foreign function")
        args = tuple(self._tensor(arg, name) for arg in call.args[1:])
        operation = CallPacked(self.text(call.args[0]), args, self.attrs(options.get("attrs")), effect)
        return self._emit(operation, (kind,), (name,), call)[0]

    def _apply(
        self, op: str, args: Sequence[Atom], attrs: Attrs, names: Sequence[str], tree: ast.AST
    ) -> tuple[Atom, ...]:
        operator = self.operators.get(op)
        if operator is None:
            self.fail(tree, f"unknown operator '{op}'", code="TND-S002", help=suggest(op, self.operators))
        taken: list[tuple[Expr, Expr]] = []
        try:
            kinds = operator.infer(OpCall(op, tuple(arg.tensor for arg in args), attrs, taken))
        except TondoError as error:
            raise TondoError(*[self._located(tree, entry) for entry in error.diagnostics]) from error
        for a, b in taken:
            self.fail(
                tree,
                f"'{op}' takes the sizes {expr_text(a)} and {expr_text(b)} to be equal",
                code="TND-S003",
                help="give them one name in the types of the parameters",
            )
        wishes = names if len(names) == len(kinds) else [f"{names[0]}_{place}" for place in range(len(kinds))]
        return self._emit(Call(op, tuple(args), attrs), kinds, wishes, tree)

    def _located(self, tree: ast.AST, entry: Diagnostic) -> Diagnostic:
        span = self.source.span(tree)
        return entry if entry.span else replace(entry, span=span, source=self.source.line(span.line))

    def _emit(
        self, operation: Operation, kinds: Sequence[TensorType], wishes: Sequence[str], tree: ast.AST
    ) -> tuple[GraphVar, ...]:
        made = tuple(GraphVar(self._fresh(wish), kind) for wish, kind in zip(wishes, kinds, strict=True))
        self.bindings.append(Binding(made, operation, None, self.source.span(tree)))
        return made

    def _fresh(self, wish: str) -> str:
        name, number = wish, 1
        while name in self._taken:
            name, number = f"{wish}_{number}", number + 1
        self._taken.add(name)
        return name

    # -- sizes

    def attr(self, tree: ast.expr) -> AttrValue:
        """Return one attribute value; a name or arithmetic is a size."""
        if not isinstance(tree, ast.Name | ast.BinOp):
            return super().attr(tree)
        value = _ANALYZER.simplify(self.expr(tree, INT64))
        return value.value if isinstance(value, Const) else value

    def _expr(self, tree: ast.expr, like: DType | None) -> Expr:
        known = self.sizes.get(tree.id) if isinstance(tree, ast.Name) else None
        return super()._expr(tree, like) if known is None else copy(known)


def _is_number(tree: ast.expr) -> bool:
    while isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        tree = tree.operand
    return isinstance(tree, ast.Constant) and isinstance(tree.value, int | float) and not isinstance(tree.value, bool)


def _text(kind: TensorType) -> str:
    return type_text(kind)
