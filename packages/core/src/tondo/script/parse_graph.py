"""Graph functions and whole modules from Python syntax trees."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tondo.diagnostics import suggest
from tondo.ir import (
    INT64,
    Atom,
    Attrs,
    BindDims,
    Binding,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    ConstantData,
    ConstantRef,
    DType,
    Function,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    IRModule,
    Join,
    LoopRegion,
    MatchShape,
    Operation,
    Reinterpret,
    ShapeValue,
    TensorType,
    Type,
    unknown_of,
)
from tondo.script.parse_tensor import TensorReader

_OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "call": ("attrs",),
    "call_dps": ("scalars",),
    "call_packed": ("attrs", "effect"),
    "call_graph": (),
    "shape_value": ("scalar",),
    "match_shape": (),
    "bind_dims": (),
    "reinterpret": ("offset",),
    "join": ("axis",),
    "if_region": (),
    "loop_region": (),
}
"""The forms of operations and their keyword arguments."""
_EFFECTS: Final = ("pure", "inplace", "io")


@dataclass
class ModuleReader(TensorReader):
    """Reads modules; graph values have names of their own, apart from dimensions."""

    given: Mapping[str, ConstantData] = field(default_factory=dict[str, ConstantData])
    constants: dict[str, ConstantData] = field(default_factory=dict[str, ConstantData])
    values: list[dict[str, GraphVar]] = field(default_factory=lambda: [{}])
    regions: list[dict[str, GraphRegion]] = field(default_factory=lambda: [{}])

    def module(self, tree: ast.Module) -> IRModule:
        """Return the module that the text writes."""
        attrs = Attrs()
        functions: dict[str, Function] = {}
        for stmt in tree.body:
            if isinstance(stmt, ast.FunctionDef):
                if stmt.name in functions:
                    self.fail(stmt, f"function '{stmt.name}' is defined twice")
                functions[stmt.name] = self.function(stmt)
            elif (value := _assigned(stmt, "MODULE")) is not None:
                call = self.call(value, "Module")
                if call is None:
                    self.fail(value, "expected Module(attrs={...})")
                attrs = self.attrs(self.keywords(call, "attrs").get("attrs"))
            elif (value := _assigned(stmt, "CONSTANTS")) is not None:
                self._constants(value)
            elif not isinstance(stmt, (ast.Import, ast.ImportFrom)) and not _is_text(stmt):
                self.fail(stmt, "expected a function, MODULE or CONSTANTS")
        return IRModule(functions, self.constants, attrs)

    def function(self, tree: ast.FunctionDef) -> Function:
        """Return the function that ``tree`` writes, by its decorator."""
        self.scopes = [{}]
        for decorator in tree.decorator_list:
            name, call = _decorator(decorator)
            options = {} if call is None else self.keywords(call, "outputs", "attrs")
            attrs = self.attrs(options.get("attrs"))
            if name == "tensor_function":
                outputs = self.integer(options["outputs"]) if "outputs" in options else 1
                return self.tensor_function(tree, outputs, attrs)
            if name == "graph_function":
                return self.graph_function(tree, attrs)
        return self.fail(tree, f"'{tree.name}' is neither a @tensor_function nor a @graph_function")

    # -- constants

    def _constants(self, tree: ast.expr) -> None:
        if not isinstance(tree, ast.Dict):
            self.fail(tree, "expected a dictionary")
        for key, value in zip(tree.keys, tree.values, strict=True):
            if key is None:
                self.fail(value, "expected a name and a value")
            name = self.text(key)
            if name in self.constants:
                self.fail(key, f"constant '{name}' is defined twice")
            self.constants[name] = self._data(name, value)

    def _data(self, name: str, tree: ast.expr) -> ConstantData:
        call = self.call(tree, "data")
        if call is None:
            self.fail(tree, "expected data(dtype, shape, values) or data(dtype, shape, sha256=...)")
        kind, shape, *values = self.positional(call, 2, 3)
        sizes = tuple(self.integer(item) for item in self.items(shape))
        wanted = self.dtype(kind)
        if any(size < 0 for size in sizes):
            self.fail(shape, "a dimension is negative", code="TND-S003")
        if values:
            return self._values(values[0], sizes, wanted)
        digest = self.keywords(call, "sha256").get("sha256")
        given = self.given.get(name)
        if given is None:
            self.fail(
                tree,
                f"the contents of constant '{name}' are missing",
                code="TND-S002",
                help="pass them to parse(text, constants=...)",
            )
        if digest is not None and given.digest != self.text(digest):
            self.fail(tree, f"constant '{name}' has other contents than the script says", code="TND-S003")
        if given.array.shape != sizes or given.dtype != wanted:
            self.fail(tree, f"constant '{name}' has another type than the script says", code="TND-S003")
        return given

    def _values(self, tree: ast.expr, sizes: tuple[int, ...], kind: DType) -> ConstantData:
        numbers = [self.attr(item) for item in self.items(tree)]
        if len(numbers) != math.prod(sizes):
            self.fail(tree, f"expected {math.prod(sizes)} values, not {len(numbers)}", code="TND-S003")
        try:
            return ConstantData(np.array(numbers, kind.numpy).reshape(sizes))
        except (TypeError, ValueError, OverflowError) as error:
            return self.fail(tree, f"these are not values of {kind}: {error}", code="TND-S003")

    # -- graph functions

    def graph_function(self, tree: ast.FunctionDef, attrs: Attrs) -> GraphFunction:
        """Return the function that ``tree`` writes."""
        region = self._region(tree)
        return GraphFunction(tree.name, region.params, region.bindings, region.results, attrs, self.source.span(tree))

    def _region(self, tree: ast.FunctionDef) -> GraphRegion:
        self.values.append({})
        self.regions.append({})
        params = tuple(self._graph_param(arg) for arg in self.parameters(tree))
        bindings: list[Binding] = []
        results: tuple[Atom, ...] | None = None
        for stmt in tree.body:
            if results is not None:
                self.fail(stmt, "nothing may follow 'return'")
            if isinstance(stmt, ast.FunctionDef):
                self.regions[-1][stmt.name] = self._region(stmt)
            elif isinstance(stmt, ast.Return):
                results = self._results(stmt)
            elif not _is_text(stmt):
                bindings.append(self._binding(stmt))
        if results is None:
            self.fail(tree, f"'{tree.name}' returns nothing", help="end it with 'return (value, ...)'")
        self.values.pop()
        self.regions.pop()
        return GraphRegion(params, tuple(bindings), results)

    def _graph_param(self, arg: ast.arg) -> GraphVar:
        assert arg.annotation is not None
        return self._define_value(arg, arg.arg, self.type(arg.annotation))

    def _define_value(self, tree: ast.AST, name: str, kind: Type) -> GraphVar:
        if name in self.values[-1]:
            self.fail(tree, f"value '{name}' is defined twice", help="every value has a name of its own")
        var = GraphVar(name, kind)
        self.values[-1][name] = var
        return var

    def _results(self, tree: ast.Return) -> tuple[Atom, ...]:
        if tree.value is None:
            return ()
        items = tree.value.elts if isinstance(tree.value, ast.Tuple) else [tree.value]
        return tuple(self.atom(item) for item in items)

    def _binding(self, tree: ast.stmt) -> Binding:
        span, source = self.source.span(tree), self.source.comment(tree)
        if isinstance(tree, ast.AnnAssign) and isinstance(tree.target, ast.Name) and tree.value is not None:
            operation, _ = self._operation(tree.value)
            var = self._define_value(tree, tree.target.id, self.type(tree.annotation))
            return Binding((var,), operation, source, span)
        if isinstance(tree, ast.Expr):
            operation, types = self._operation(tree.value)
            names: list[str] = []
        elif isinstance(tree, ast.Assign) and len(tree.targets) == 1 and isinstance(tree.targets[0], ast.Tuple):
            operation, types = self._operation(tree.value)
            names = [self._target(item) for item in tree.targets[0].elts]
        else:
            self.fail(tree, "expected 'name: type = call(...)' or 'a, b = call(..., results=(type, type))'")
        if types is None or len(types) != len(names):
            self.fail(tree, f"expected the types of {len(names)} results", help="results=(Tensor(...), ...)")
        made = tuple(self._define_value(tree, name, kind) for name, kind in zip(names, types, strict=True))
        return Binding(made, operation, source, span)

    def _target(self, tree: ast.expr) -> str:
        return tree.id if isinstance(tree, ast.Name) else self.fail(tree, "expected a name")

    def atom(self, tree: ast.expr) -> Atom:
        """Return the graph value or the constant that ``tree`` names."""
        if (call := self.call(tree, "constant")) is not None:
            return self._constant(call)
        if not isinstance(tree, ast.Name):
            self.fail(tree, "expected a value", help="give the operation a name of its own first")
        for scope in reversed(self.values):
            if tree.id in scope:
                return scope[tree.id]
        known = [name for scope in self.values for name in scope]
        return self.fail(tree, f"unknown value '{tree.id}'", code="TND-S002", help=suggest(tree.id, known))

    def _constant(self, call: ast.Call) -> ConstantRef:
        name, *kind = self.positional(call, 1, 2)
        key = self.text(name)
        if kind:
            wanted = self.type(kind[0])
            if not isinstance(wanted, TensorType):
                self.fail(kind[0], "a constant is a tensor", code="TND-S003")
            return ConstantRef(key, wanted)
        if key not in self.constants:
            self.fail(call, f"unknown constant '{key}'", code="TND-S002", help=suggest(key, self.constants))
        return ConstantRef(key, self.constants[key].type)

    def _operation(self, tree: ast.expr) -> tuple[Operation, tuple[Type, ...] | None]:
        call = self.call(tree, *_OPTIONS)
        if call is None:
            found = tree.func.id if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) else ""
            self.fail(tree, "expected an operation", help=suggest(found, _OPTIONS) or f"one of {', '.join(_OPTIONS)}")
        assert isinstance(call.func, ast.Name)
        kind = call.func.id
        options = self.keywords(call, "results", *_OPTIONS[kind])
        operation = self._made(kind, call, options)
        return operation, self.types(options["results"]) if "results" in options else None

    def _made(self, kind: str, call: ast.Call, options: dict[str, ast.expr]) -> Operation:
        args = call.args
        match kind:
            case "call":
                return Call(self._callee(call), self._atoms(args[1:]), self.attrs(options.get("attrs")))
            case "call_dps":
                scalars = self.shape(options["scalars"]) if "scalars" in options else ()
                return CallDps(self._callee(call), self._atoms(args[1:]), scalars)
            case "call_packed":
                effect = self.text(options["effect"]) if "effect" in options else "pure"
                if effect not in _EFFECTS:
                    self.fail(options["effect"], f"unknown effect '{effect}'", help=f"one of {', '.join(_EFFECTS)}")
                return CallPacked(self._callee(call), self._atoms(args[1:]), self.attrs(options.get("attrs")), effect)
            case "call_graph":
                return CallGraph(self._callee(call), self._atoms(args[1:]))
            case "shape_value":
                scalar = "scalar" in options and self.flag(options["scalar"])
                return ShapeValue(self.shape(self.positional(call, 1)[0]), scalar)
            case "match_shape":
                value, shape = self.positional(call, 2)
                return MatchShape(self.atom(value), self.declared_shape(shape))
            case "bind_dims":
                return self._bind_dims(call)
            case "reinterpret":
                offset = self.expr(options["offset"], INT64) if "offset" in options else None
                return Reinterpret(self.atom(self.positional(call, 1)[0]), offset)
            case "join":
                return self._join(call, options.get("axis"))
            case "if_region":
                condition, then, orelse = self.positional(call, 3)
                return IfRegion(self.atom(condition), self._named_region(then), self._named_region(orelse))
            case _:
                trips, condition, carried, body = self.positional(call, 4)
                values = self._atoms(self.items(carried))
                return LoopRegion(self._optional(trips), self._optional(condition), values, self._named_region(body))

    def _bind_dims(self, call: ast.Call) -> BindDims:
        value, names = self.positional(call, 2)
        shape = self.declared_shape(names)
        if any(unknown_of(dim) is None for dim in shape):
            self.fail(names, "expected names of dimensions, or 'name - 1'", code="TND-S003")
        return BindDims(self.atom(value), shape)

    def _join(self, call: ast.Call, axis: ast.expr | None) -> Join:
        parts = self._atoms(call.args)
        values = tuple(part for part in parts if isinstance(part, GraphVar))
        if axis is None or not values or len(values) != len(parts):
            self.fail(call, "expected computed values and the axis along which they are joined", code="TND-S003")
        return Join(values, self.integer(axis))

    def _callee(self, call: ast.Call) -> str:
        return self.text(call.args[0]) if call.args else self.fail(call, "expected a name")

    def _atoms(self, trees: Sequence[ast.expr]) -> tuple[Atom, ...]:
        return tuple(self.atom(tree) for tree in trees)

    def _optional(self, tree: ast.expr) -> Atom | None:
        return None if isinstance(tree, ast.Constant) and tree.value is None else self.atom(tree)

    def _named_region(self, tree: ast.expr) -> GraphRegion:
        if isinstance(tree, ast.Name):
            for scope in reversed(self.regions):
                if tree.id in scope:
                    return scope[tree.id]
        return self.fail(tree, "expected the name of a function defined above", code="TND-S002")


def _assigned(stmt: ast.stmt, name: str) -> ast.expr | None:
    if isinstance(stmt, ast.Assign) and len(stmt.targets) == 1:
        target = stmt.targets[0]
        if isinstance(target, ast.Name) and target.id == name:
            return stmt.value
    return None


def _decorator(tree: ast.expr) -> tuple[str, ast.Call | None]:
    call = tree if isinstance(tree, ast.Call) else None
    target = tree.func if isinstance(tree, ast.Call) else tree
    if isinstance(target, ast.Attribute):
        return target.attr, call
    return (target.id if isinstance(target, ast.Name) else ""), call


def _is_text(stmt: ast.stmt) -> bool:
    return isinstance(stmt, ast.Expr) and isinstance(stmt.value, ast.Constant) and isinstance(stmt.value.value, str)
