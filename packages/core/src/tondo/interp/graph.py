"""Run a graph function on numpy arrays."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np

from tondo.diagnostics import fail, suggest
from tondo.interp.expressions import evaluate_expr
from tondo.interp.statements import reshaped
from tondo.interp.strided import flat, seen, spread
from tondo.interp.tensor import run_tensor_function
from tondo.interp.values import poisoned
from tondo.ir import (
    Atom,
    BindDims,
    Binding,
    Buffer,
    Call,
    CallDps,
    CallGraph,
    CallPacked,
    ConstantRef,
    Expr,
    GraphFunction,
    GraphVar,
    IfRegion,
    IRModule,
    Join,
    LoopRegion,
    MatchShape,
    OpCall,
    Operator,
    Part,
    Reinterpret,
    ShapeValue,
    TensorFunction,
    TensorType,
    Var,
    attrs_json,
    dims,
    dtype,
    parts_of,
    unknown_of,
    walk,
)
from tondo_runtime.packed import arrays_of
from tondo_runtime.registry import get as registered


def run_graph(
    module: IRModule,
    inputs: Sequence[np.ndarray],
    ops: Mapping[str, Operator],
    name: str = "main",
    symbols: Mapping[str, int] | None = None,
) -> list[np.ndarray]:
    """Run graph function ``name`` and return its results.

    Args:
        module: graph and tensor functions and constants.
        inputs: one array per parameter.
        ops: operator library, for calls of operators.
        name: the function.
        symbols: values of symbolic dimensions that no input shape gives.

    Raises:
        TondoError: TND-U002, TND-U003, TND-U004 for inputs that do not fit, TND-M003 for an operator that ``ops``
            lacks, TND-R003 if execution fails.
    """
    function = module.graph(name)
    runner = _Runner(module, ops)
    return runner.call(function, [np.asarray(array) for array in inputs], dict(symbols or {}))


@dataclass(slots=True)
class _Scope:
    """Values of one graph function (regions share it: names are unique within a function)."""

    function: str
    values: dict[str, np.ndarray]
    symbols: dict[str, int]
    parts: dict[GraphVar, Part] = field(default_factory=dict)

    def inner(self) -> _Scope:
        """Return the scope of a region: dimensions that it introduces are its own."""
        return _Scope(self.function, self.values, dict(self.symbols))


@dataclass(slots=True)
class _Runner:
    module: IRModule
    ops: Mapping[str, Operator]
    defined: dict[OpCall, TensorFunction] = field(default_factory=dict)

    def call(self, function: GraphFunction, inputs: list[np.ndarray], symbols: dict[str, int]) -> list[np.ndarray]:
        scope = _Scope(function.name, {}, symbols, parts_of(function.bindings))
        if len(inputs) != len(function.params):
            fail("TND-U004", f"'{function.name}' takes {len(function.params)} inputs, {len(inputs)} were given")
        for param, array in zip(function.params, inputs, strict=True):
            _bind(scope, param, array)
        for param, array in zip(function.params, inputs, strict=True):
            _check(scope, param, array)
        return self.region(scope, function.bindings, function.results)

    def region(self, scope: _Scope, bindings: Sequence[Binding], results: Sequence[Atom]) -> list[np.ndarray]:
        for binding in bindings:
            values = self.operation(scope, binding)
            if len(values) != len(binding.vars):
                fail("TND-R003", f"{scope.function}: {len(values)} results for {len(binding.vars)} names")
            for var, value in zip(binding.vars, values, strict=True):
                _bind(scope, var, value)
        return [self.atom(scope, result) for result in results]

    def atom(self, scope: _Scope, atom: Atom) -> np.ndarray:
        if isinstance(atom, ConstantRef):
            return self.module.constants[atom.name].array
        value = scope.values.get(atom.name)
        if value is None:
            fail("TND-R003", f"{scope.function}: the value '{atom.name}' is not defined here")
        return value

    def operation(self, scope: _Scope, binding: Binding) -> list[np.ndarray]:
        operation = binding.operation
        match operation:
            case Call():
                return self.operator(scope, operation)
            case CallDps():
                return self.function(scope, operation, binding.vars)
            case CallPacked():
                return self.packed(scope, operation, binding.vars)
            case CallGraph():
                args = [self.atom(scope, arg) for arg in operation.args]
                callee = self.module.graph(operation.function)
                return self.call(callee, args, dict(scope.symbols) if callee.attrs.get("inner") is True else {})
            case ShapeValue():
                numbers = [_number(scope, dim) for dim in operation.dims]
                return [np.array(numbers[0] if operation.scalar else numbers, np.int64)]
            case MatchShape():
                return [self.match_shape(scope, operation)]
            case BindDims():
                return self.bind_dims(scope, operation)
            case Reinterpret():
                return [self.reinterpret(scope, operation, binding.var)]
            case Join():
                return [np.concatenate([self.atom(scope, arg) for arg in operation.args], operation.axis)]
            case IfRegion():
                taken = operation.then if bool(self.atom(scope, operation.condition)) else operation.orelse
                return self.region(scope.inner(), taken.bindings, taken.results)
            case LoopRegion():
                return self.loop(scope, operation, binding.vars)
            case _:
                msg = f"the interpreter does not know the operation {type(operation).__name__}"
                raise TypeError(msg)

    def function(self, scope: _Scope, call: CallDps, results: tuple[GraphVar, ...]) -> list[np.ndarray]:
        """Call a tensor function; it may see arguments flattened, its scratch memory is not a result."""
        callee = self.module.tensor(call.function)
        numbers = [_number(scope, value) for value in call.scalars]
        scalars = dict(zip([var.name for var in callee.scalars], numbers, strict=True))
        env = {var: scalars[var.name] for var in callee.scalars}
        args: list[np.ndarray] = []
        for buffer, atom in zip(callee.input_buffers, call.args, strict=True):
            value = self.atom(scope, atom)
            apart = _apart(scope, atom, buffer)
            if apart is not None:
                memory = flat(spread(value, apart, buffer.dtype))
                args.append(memory if value.size else poisoned([_evaluated(buffer.shape[0], env)], buffer.dtype))
                continue
            array = np.ascontiguousarray(value)
            shape = tuple(_evaluated(dim, env) for dim in buffer.shape)
            fitting = reshaped(array.reshape(np.shape(value)), shape)
            args.append(array if fitting is None else fitting)
        outputs = run_tensor_function(callee, args, None, scalars, module=self.module)
        return [
            _shaped(scope, var, array, _apart(scope, var, buffer))
            for var, array, buffer in zip(results, outputs, callee.output_buffers, strict=False)
        ]

    def operator(self, scope: _Scope, call: Call) -> list[np.ndarray]:
        op = self.ops.get(call.op)
        if op is None:
            fail("TND-M003", f"unknown operator '{call.op}'", help=suggest(call.op, self.ops))
        args = [self.atom(scope, arg) for arg in call.args]
        types = tuple(_known_type(arg, value) for arg, value in zip(call.args, args, strict=True))
        request = OpCall(call.op, types, call.attrs)
        if op.expand is not None:
            return self.call(op.expand(request, self.ops), args, {})
        function = self.defined.get(request)
        if function is None:
            function = op.definition(request)
            self.defined[request] = function
        scalars = {var.name: scope.symbols[var.name] for var in function.scalars if var.name in scope.symbols}
        return run_tensor_function(function, args, None, scalars, module=self.module)

    def packed(self, scope: _Scope, call: CallPacked, results: tuple[GraphVar, ...]) -> list[np.ndarray]:
        """Call ``name(*args, *outputs)`` as hosts do; an ``inplace`` function gets a copy of its first argument."""
        args = [self.atom(scope, arg) for arg in call.args]
        outputs: dict[GraphVar, np.ndarray] = {}
        given = results
        if call.effect == "inplace":
            args[0] = args[0].copy()
            outputs[results[0]] = args[0]
            given = results[1:]
        returned = [var for var in given if _is_new(scope, var)]
        for var in given:
            if var not in returned:
                outputs[var] = poisoned([_number(scope, dim) for dim in var.tensor.dims], var.tensor.dtype)
        fresh = [outputs[var] for var in given if var in outputs]
        function, options = registered(call.name), cast("dict[str, object]", json.loads(attrs_json(call.attrs)))
        found = function(*args, *fresh, **options)
        kinds = [(str(var.tensor.dtype), var.tensor.rank) for var in returned]
        outputs.update(zip(returned, arrays_of(call.name, found, kinds), strict=True))
        return [outputs[var] for var in results]

    def match_shape(self, scope: _Scope, operation: MatchShape) -> np.ndarray:
        array = self.atom(scope, operation.arg)
        rank = len(operation.dims)
        if array.ndim != rank:
            fail("TND-R003", f"{scope.function}: a shape of {rank} dimensions is expected, got {array.shape}")
        for dim, extent in zip(operation.dims, array.shape, strict=True):
            _learn(scope, dim, extent)
        expected = tuple(_number(scope, dim) for dim in operation.dims)
        if expected != array.shape:
            fail("TND-R003", f"{scope.function}: shape {expected} is expected, got {array.shape}")
        return array

    def bind_dims(self, scope: _Scope, operation: BindDims) -> list[np.ndarray]:
        numbers = self.atom(scope, operation.arg).reshape(-1)
        for dim, number in zip(operation.dims, numbers, strict=True):
            if number < 0:
                fail("TND-R003", f"{scope.function}: the size {dim!r} would be {number}")
            found = unknown_of(dim)
            if found is not None:
                scope.symbols[found[0].name] = int(number) - found[1]
        return []

    def reinterpret(self, scope: _Scope, operation: Reinterpret, result: GraphVar) -> np.ndarray:
        array = np.ascontiguousarray(self.atom(scope, operation.arg))
        shape = [_number(scope, dim) for dim in result.tensor.dims]
        if operation.offset is not None:
            begin = max(_number(scope, operation.offset), 0)
            array = array.reshape(-1)[begin : begin + math.prod(shape)]
        if array.dtype != result.tensor.dtype.numpy or math.prod(shape) != array.size:
            fail(
                "TND-R003",
                f"{scope.function}: '{operation.arg.name}', {array.dtype} {array.shape}, has no view "
                f"of {result.tensor.dtype} {tuple(shape)}",
            )
        return array.reshape(shape)

    def loop(self, scope: _Scope, loop: LoopRegion, results: tuple[GraphVar, ...]) -> list[np.ndarray]:
        trips = None if loop.trips is None else int(self.atom(scope, loop.trips).item())
        alive = loop.condition is None or bool(self.atom(scope, loop.condition))
        carried = [self.atom(scope, atom) for atom in loop.carried]
        scans: list[list[np.ndarray]] = [[] for _ in results[len(carried) :]]
        step = 0
        while alive and (trips is None or step < trips):
            values = [np.array(step, np.int64), np.array(True), *carried]
            inner = scope.inner()
            for param, value in zip(loop.body.params, values, strict=True):
                _bind(inner, param, value.astype(param.tensor.dtype.numpy, copy=False))
            condition, *rest = self.region(inner, loop.body.bindings, loop.body.results)
            alive = bool(condition)
            carried = rest[: len(carried)]
            for scan, value in zip(scans, rest[len(carried) :], strict=True):
                scan.append(value)
            step += 1
        named = zip(results[len(carried) :], scans, strict=True)
        return [*carried, *(_stack(scope, var, scan) for var, scan in named)]


def _stack(scope: _Scope, var: GraphVar, scan: list[np.ndarray]) -> np.ndarray:
    if scan:
        return np.stack(scan)
    shape = [_number(scope, dim) for dim in var.tensor.dims[1:]] if var.tensor.shape is not None else []
    return np.empty((0, *shape), var.tensor.dtype.numpy)


def _evaluated(dim: Expr, env: Mapping[Var, int]) -> int:
    return int(evaluate_expr(dim, env))


def _shaped(scope: _Scope, var: GraphVar, array: np.ndarray, apart: tuple[int, ...] | None) -> np.ndarray:
    """Give a result that was computed flat its shape; its elements may lie ``apart``."""
    if not isinstance(var.type, TensorType) or var.type.shape is None:
        return array
    if apart is not None:
        return seen(array, [_number(scope, dim) for dim in var.type.shape], apart)
    if len(var.type.shape) == array.ndim:
        return array
    return array.reshape([_number(scope, dim) for dim in var.type.shape])


def _apart(scope: _Scope, atom: Atom, buffer: Buffer) -> tuple[int, ...] | None:
    """Return the strides of a part of a joined value that ``buffer`` sees as one axis of memory, else None."""
    part = scope.parts.get(atom) if isinstance(atom, GraphVar) else None
    if part is None or buffer.rank != 1 or (part.value.tensor.rank == 1 and buffer.strides is not None):
        return None
    return tuple(_number(scope, step) for step in part.strides)


def _bind(scope: _Scope, var: GraphVar, value: np.ndarray) -> None:
    """Name a value; new dimensions of its type take the extents of its shape."""
    scope.values[var.name] = value
    if isinstance(var.type, TensorType) and var.type.shape is not None and len(var.type.shape) == value.ndim:
        for dim, extent in zip(var.type.shape, value.shape, strict=True):
            _learn(scope, dim, extent)


def _is_new(scope: _Scope, var: GraphVar) -> bool:
    """Whether the type of ``var`` introduces dimensions."""
    return any(isinstance(item, Var) and item.name not in scope.symbols for item in walk(var.type))


def _learn(scope: _Scope, dim: Expr, extent: int) -> None:
    found = unknown_of(dim)
    if found is not None:
        scope.symbols.setdefault(found[0].name, extent - found[1])


def _check(scope: _Scope, var: GraphVar, value: np.ndarray) -> None:
    if not isinstance(var.type, TensorType):
        return
    if value.dtype != var.type.dtype.numpy:
        fail("TND-U003", f"input '{var.name}' has dtype {value.dtype}, {var.type.dtype} is expected")
    if var.type.shape is None:
        return
    if len(var.type.shape) != value.ndim:
        fail("TND-U002", f"input '{var.name}' has {value.ndim} dimensions, {len(var.type.shape)} are expected")
    expected = tuple(_number(scope, dim) for dim in var.type.shape)
    if expected != value.shape:
        fail("TND-U002", f"input '{var.name}' has shape {value.shape}, {expected} is expected")


def _number(scope: _Scope, value: Expr) -> int:
    unknown = [item.name for item in walk(value) if isinstance(item, Var) and item.name not in scope.symbols]
    if unknown:
        fail("TND-R003", f"{scope.function}: the dimension '{unknown[0]}' has no value here")
    env = {item: scope.symbols[item.name] for item in walk(value) if isinstance(item, Var)}
    return int(evaluate_expr(value, env))


def _known_type(atom: Atom, value: np.ndarray) -> TensorType:
    """Return the declared type, or the actual one where the rank is not declared."""
    declared = atom.type
    if isinstance(declared, TensorType) and declared.shape is not None:
        return declared
    return TensorType(dims(value.shape), dtype(value.dtype))
