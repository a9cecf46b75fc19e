"""The builder: emits bindings for operator calls, with the types that the operator library infers.

Values are named when the function is finished, so that the result of the last of several bindings of a node gets the
name that the model gives it. Tensors whose elements are known become constants or shape values only where they are
needed as tensors.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from tondo.ir import (
    INT64,
    Atom,
    Attrs,
    BindDims,
    Binding,
    Call,
    CallPacked,
    Const,
    ConstantData,
    ConstantRef,
    DType,
    Expr,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IfRegion,
    LoopRegion,
    MatchShape,
    OpCall,
    Operation,
    Operator,
    ShapeValue,
    TensorType,
    Var,
    cast,
    dims,
    dtype,
)
from tondo_onnx.build.dims import Dimensions, static
from tondo_onnx.build.fold import EVALUATORS, Request, evaluate
from tondo_onnx.build.names import Names
from tondo_onnx.build.values import Ratio, Value, settled
from tondo_onnx.limits import Limits, check_size, exceed
from tondo_onnx.problems import MissingOperator


@dataclass(slots=True)
class _Region:
    """A region in the making: what was known outside of values that became known inside."""

    outside: list[tuple[Value, Atom | None, np.ndarray | None]] = field(
        default_factory=list["tuple[Value, Atom | None, np.ndarray | None]"]
    )


@dataclass(slots=True)
class Builder:
    """A graph function in the making.

    Attributes:
        operators: the operator library.
        dims: symbols and arithmetic on dimensions.
        limits: caps.
        names: names that are taken.
        source: the node that is being converted, for the bindings that it leads to.
        rebatched: whether the user replaced shapes of inputs.
    """

    operators: Mapping[str, Operator]
    dims: Dimensions
    limits: Limits
    names: Names
    source: str | None = None
    rebatched: bool = False
    bindings: list[Binding] = field(default_factory=list[Binding])
    constants: dict[str, ConstantData] = field(default_factory=dict[str, ConstantData])
    _wanted: dict[str, str] = field(default_factory=dict[str, str])
    _count: int = 0
    _folded: int = 0
    _region: _Region | None = None

    # -- values

    def parameter(self, name: str, type: TensorType) -> Value:
        """Return a parameter of the function; ``name`` is claimed."""
        return Value(type, GraphVar(self.names.claim(name), type), None, name)

    def constant(self, array: np.ndarray, hint: str) -> Value:
        """Return a constant; it enters the module when it is used as a tensor."""
        return Value(TensorType(dims(array.shape), dtype(array.dtype)), None, array, hint)

    def scalar(self, number: float | bool, kind: DType, shape: tuple[int, ...] = ()) -> Value:
        """Return a constant of one number."""
        return self.constant(np.full(shape, number, kind.numpy), "scalar")

    def known(self, elements: np.ndarray, kind: DType, hint: str) -> Value:
        """Return a tensor whose elements are numbers and sizes."""
        done = settled(elements, kind)
        return Value(TensorType(dims(done.shape), kind), None, done, hint)

    def sizes(self, values: Sequence[Expr], hint: str = "shape") -> Value:
        """Return the int64 vector of ``values``."""
        elements = np.empty(len(values), object)
        elements[:] = list(values)
        return self.known(elements, INT64, hint)

    def wish(self, value: Value, name: str) -> None:
        """Call the tensor of ``value`` ``name`` unless it has got a name already."""
        value.hint = name if value.atom is None else value.hint
        if isinstance(value.atom, GraphVar):
            self._wanted.setdefault(value.atom.name, name)

    def zeros(self, shape: Sequence[int], kind: np.dtype[np.generic]) -> np.ndarray:
        """Return an array to be filled for a constant, if the limits allow its size.

        Raises:
            TondoError: TND-X002 if they do not.
        """
        size = math.prod(shape) * kind.itemsize
        if self._folded + size > self.limits.folded_bytes:
            exceed("the number of bytes computed at import", self._folded + size, self.limits, "folded_bytes")
        self._folded += size
        return np.zeros(shape, kind)

    # -- calls

    def call(self, op: str, args: Sequence[Value], attrs: Mapping[str, object], results: int = 1) -> tuple[Value, ...]:
        """Return the results of an operator call, evaluated now if everything about it is known.

        Raises:
            TondoError: TND-M006 if the arguments do not fit the operator.
            MissingOperator: if the operator library lacks ``op``.
        """
        operator = self.operators.get(op)
        if operator is None:
            raise MissingOperator(op)
        frozen = Attrs(attrs)
        args, types = self._inferred(operator, args, frozen)
        for type_ in types:
            check_size(type_, f"a result of {op}")
        if results == 1 and len(types) == 1:
            known = self._evaluate(op, args, frozen, types[0])
            if known is not None:
                return (known,)
        return self._emit(Call(op, tuple(self.atom(arg) for arg in args), frozen), types, op)

    def _inferred(
        self, operator: Operator, args: Sequence[Value], attrs: Attrs
    ) -> tuple[Sequence[Value], tuple[TensorType, ...]]:
        """Return the arguments of a call and the types of its results.

        Sizes that the operator takes to be equal without proof are compared in the call, by ``match_shape`` of an
        argument.
        """
        checked: set[frozenset[Expr]] = set()
        while True:
            taken: list[tuple[Expr, Expr]] = []
            types = operator.infer(OpCall(operator.name, tuple(arg.type for arg in args), attrs, taken))
            matched = self._matched(operator.name, args, taken, checked)
            if matched is None:
                return args, types
            args = matched

    def _matched(
        self, op: str, args: Sequence[Value], taken: Sequence[tuple[Expr, Expr]], checked: set[frozenset[Expr]]
    ) -> list[Value] | None:
        """Return ``args`` with the first pair of ``taken`` compared that neither is proven nor ``checked``, or None.

        What ``reshape`` takes to be equal are numbers of elements, which no argument has as a dimension.
        """
        for a, b in taken:
            if frozenset((a, b)) in checked or self.dims.same(a, b):
                continue
            checked.add(frozenset((a, b)))
            for wanted, size in sorted([(a, b), (b, a)], key=_rank):
                for position, arg in enumerate(args):
                    if size in arg.dims:
                        shape = [wanted if dim == size else dim for dim in arg.dims]
                        return [*args[:position], self.match(arg, shape), *args[position + 1 :]]
            if op == "reshape":
                return [self._with_count(args[0], b)]
        return None

    def _with_count(self, value: Value, count: Expr) -> Value:
        """Return the elements of ``value`` in one axis, whose length is compared with ``count`` in the call."""
        (flat,) = self.call("reshape", (value,), {"shape": (self.dims.product(value.dims),)})
        return self.match(flat, (count,))

    def _evaluate(self, op: str, args: Sequence[Value], attrs: Attrs, type: TensorType) -> Value | None:
        if op not in EVALUATORS:
            return None
        shape = static(type.dims)
        if shape is None or math.prod(shape) > self.limits.known_elements:
            return None
        if any(arg.elements is None or arg.elements.size > self.limits.known_elements for arg in args):
            return None
        self._folded += math.prod(shape) * type.dtype.bytes
        if self._folded > self.limits.folded_bytes:
            exceed("the number of bytes computed at import", self._folded, self.limits, "folded_bytes")
        elements = evaluate(op, Request(args, attrs, shape, type.dtype, self.dims))
        return None if elements is None else self.known(elements, type.dtype, op)

    def _emit(self, operation: Operation, types: Sequence[TensorType], stem: str) -> tuple[Value, ...]:
        for type_ in types:
            check_size(type_, f"a result of {stem}")
        made: list[Value] = []
        variables: list[GraphVar] = []
        for position, kind in enumerate(types):
            variable = GraphVar(f"%{self._count}.{position}.{stem}", kind)
            variables.append(variable)
            made.append(Value(kind, variable, None, stem))
        self._count += 1
        self.bindings.append(Binding(tuple(variables), operation, self.source))
        return tuple(made)

    def packed(
        self,
        name: str,
        args: Sequence[Value],
        types: Sequence[TensorType],
        attrs: Mapping[str, object] | None = None,
        effect: str = "pure",
    ) -> tuple[Value, ...]:
        """Return the results of a function of the runtime, called by name; its attributes hold plain values."""
        atoms = tuple(self.atom(arg) for arg in args)
        return self._emit(CallPacked(name, atoms, Attrs(attrs or {}), effect), types, name.rsplit(".", 1)[-1])

    # -- regions and dimensions that depend on contents

    @contextmanager
    def region(self) -> Generator[list[Binding]]:
        """Collect the bindings of a region; what becomes known inside of values from outside is forgotten after it."""
        bindings, region = self.bindings, self._region
        self.bindings, self._region = [], _Region()
        try:
            yield self.bindings
        finally:
            for value, atom, elements in reversed(self._region.outside):
                value.atom, value.elements = atom, elements
            self.bindings, self._region = bindings, region

    def control(self, operation: IfRegion | LoopRegion, types: Sequence[TensorType], stem: str) -> tuple[Value, ...]:
        """Return the results of a branch or a loop."""
        return self._emit(operation, types, stem)

    def bind(self, value: Value) -> tuple[Expr, ...]:
        """Return the elements of an integer tensor of rank 0 or 1 that depends on contents, as new dimensions."""
        count = static(value.dims)
        if count is None:
            msg = "a shape of unknown rank"
            raise AssertionError(msg)
        if math.prod(count) > self.limits.sizes:
            exceed(f"the number of sizes that '{value.hint}' holds", math.prod(count), self.limits, "sizes")
        numbers = value if value.dtype == INT64 else self.call("cast", (value,), {"dtype": INT64})[0]
        found = tuple(self.dims.unknown(self.names.claim(f"{value.hint}_size")) for _ in range(math.prod(count)))
        self._emit(BindDims(self.atom(numbers), found), (), value.hint)
        elements = np.empty(len(found), object)
        elements[:] = found
        self._learn(value, value.atom, elements.reshape(count))
        return found

    def _learn(self, value: Value, atom: Atom | None, elements: np.ndarray | None) -> None:
        if self._region is not None:
            self._region.outside.append((value, value.atom, value.elements))
        value.atom, value.elements = atom, elements

    def match(self, value: Value, shape: Sequence[Expr]) -> Value:
        """Return ``value`` taken to be of ``shape``, which is checked at run time; itself if it is known to be."""
        if all(a == b for a, b in zip(value.dims, shape, strict=True)):
            return value
        (result,) = self._emit(
            MatchShape(self.atom(value), tuple(shape)), (TensorType(tuple(shape), value.dtype),), value.hint
        )
        return result

    # -- tensors

    def atom(self, value: Value) -> Atom:
        """Return ``value`` as a tensor of the graph; constants and sizes are made into one when first needed."""
        if value.atom is None:
            numbers = value.numbers
            if numbers is not None:
                value.atom = self._constant(numbers, value.hint)
            else:
                self._learn(value, self._computed(value), value.elements)
        assert value.atom is not None
        return value.atom

    def _constant(self, array: np.ndarray, hint: str) -> ConstantRef:
        name = self.names.claim(hint, "c")
        data = ConstantData(array)
        self.constants[name] = data
        return ConstantRef(name, data.type)

    def _computed(self, value: Value) -> Atom:
        """Return the tensor of sizes: a shape value, reshaped, converted and divided as needed."""
        elements = value.elements
        if elements is None:
            msg = "a value without a tensor and without elements"
            raise AssertionError(msg)
        flat = [_as_size(item) for item in elements.reshape(-1)]
        numerators = tuple(self.dims.simplify(numerator) for numerator, _ in flat)
        scalar = elements.ndim == 0
        kind = TensorType(() if scalar else dims((len(flat),)), INT64)
        (result,) = self._emit(ShapeValue(numerators, scalar), (kind,), value.hint)
        if elements.ndim > 1:
            (result,) = self._emit_call("reshape", (result,), {"shape": elements.shape})
        if value.dtype != INT64:
            (result,) = self._emit_call("cast", (result,), {"dtype": value.dtype})
        if any(denominator != 1 for _, denominator in flat):
            below = np.array([denominator for _, denominator in flat]).astype(value.dtype.numpy).reshape(elements.shape)
            (result,) = self._emit_call("div", (result, self.constant(below, "denominators")), {})
        return self.atom(result)

    def _emit_call(self, op: str, args: Sequence[Value], attrs: Mapping[str, object]) -> tuple[Value, ...]:
        return self.call(op, args, attrs)

    # -- the function

    def finish(self, params: Sequence[Value], results: Sequence[Value], attrs: Mapping[str, object]) -> GraphFunction:
        """Return the function ``main`` with all values named."""
        final = tuple(self.atom(result) for result in results)
        renamed: dict[str, GraphVar] = {}
        bindings = [self._renamed(binding, renamed) for binding in self.bindings]
        inputs = tuple(param.atom for param in params if isinstance(param.atom, GraphVar))
        return GraphFunction(
            "main", inputs, tuple(bindings), tuple(_new(atom, renamed) for atom in final), Attrs(attrs)
        )

    def _renamed(self, binding: Binding, renamed: dict[str, GraphVar]) -> Binding:
        operation = self._renamed_operation(binding.operation, renamed)
        variables: list[GraphVar] = []
        for variable in binding.vars:
            name = self.names.claim(self._wanted.get(variable.name, variable.name.rsplit(".", 1)[-1]))
            variables.append(replace(variable, name=name))
            renamed[variable.name] = variables[-1]
        return replace(binding, vars=tuple(variables), operation=operation)

    def _renamed_operation(self, operation: Operation, renamed: dict[str, GraphVar]) -> Operation:
        match operation:
            case Call() | CallPacked():
                return replace(operation, args=tuple(_new(arg, renamed) for arg in operation.args))
            case MatchShape() | BindDims():
                return replace(operation, arg=_new(operation.arg, renamed))
            case IfRegion(condition=condition, then=then, orelse=orelse):
                sides = self._renamed_region(then, renamed), self._renamed_region(orelse, renamed)
                return IfRegion(_new(condition, renamed), *sides)
            case LoopRegion(trips=trips, condition=condition, carried=carried, body=body):
                values = tuple(_new(atom, renamed) for atom in carried)
                inner = self._renamed_region(body, renamed)
                return LoopRegion(_optional(trips, renamed), _optional(condition, renamed), values, inner)
            case _:
                return operation

    def _renamed_region(self, region: GraphRegion, renamed: dict[str, GraphVar]) -> GraphRegion:
        bindings = tuple(self._renamed(binding, renamed) for binding in region.bindings)
        return GraphRegion(region.params, bindings, tuple(_new(atom, renamed) for atom in region.results))


def _optional(atom: Atom | None, renamed: Mapping[str, GraphVar]) -> Atom | None:
    return None if atom is None else _new(atom, renamed)


def _new(atom: Atom, renamed: Mapping[str, GraphVar]) -> Atom:
    return renamed.get(atom.name, atom) if isinstance(atom, GraphVar) else atom


def _as_size(item: object) -> tuple[Expr, int]:
    if isinstance(item, Ratio):
        return item.numerator, item.denominator
    if isinstance(item, Expr):
        return cast(INT64, item), 1
    if isinstance(item, (bool, int)):
        return Const(int(item)), 1
    if isinstance(item, float):
        above, below = item.as_integer_ratio()
        return Const(above), below
    raise TypeError(type(item))


def _rank(pair: tuple[Expr, Expr]) -> int:
    """Order ``(wanted, instead of)``: a number is wanted most, then a symbol, then a formula."""
    return _complexity(pair[0]) - _complexity(pair[1])


def _complexity(size: Expr) -> int:
    return 0 if isinstance(size, Const) else 1 if isinstance(size, Var) else 2
