"""Rules of tensor functions besides names: parameters, types and lanes, outputs, invoked functions, stages."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from tondo.diagnostics.span import Span
from tondo.ir import (
    BOOL,
    INTRINSICS,
    Assert,
    Block,
    Broadcast,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Intrin,
    Invoke,
    IRModule,
    Load,
    Node,
    Ramp,
    Select,
    Store,
    TensorFunction,
    Var,
    View,
    While,
    walk,
)
from tondo.ir.stmt import LOOP_KINDS
from tondo.passes.library import placed
from tondo.passes.verify.findings import Finding, TensorRule
from tondo.passes.verify.scopes import check_scopes


def _check_parameters(module: IRModule, function: TensorFunction) -> Iterator[Finding]:
    """Scalars stand before buffers, names are unique, the number of outputs fits."""
    del module
    kinds = [isinstance(param, Buffer) for param in function.params]
    if kinds != sorted(kinds):
        yield Finding("scalar parameters stand before buffers", function.span)
    names = [param.name for param in function.params]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding(f"two parameters are called '{name}'", function.span)
    if not 0 <= function.outputs <= len(function.buffers):
        yield Finding(f"{function.outputs} outputs of {len(function.buffers)} buffers", function.span)


def _check_types(module: IRModule, function: TensorFunction) -> Iterator[Finding]:
    """Indices, values, predicates, conditions and bounds have fitting dtypes and lanes."""
    del module
    for item in walk(function.body):
        match item:
            case Store():
                yield from _access("store to", item, item.span)
                yield from _stored(item)
            case Load():
                yield from _access("load of", item, item.span)
            case For():
                yield from _loop(item)
            case If() | While() | Assert() if item.condition.dtype != BOOL:
                yield Finding(f"a condition has dtype {item.condition.dtype}", item.span)
            case Block() if item.predicate is not None and item.predicate.dtype != BOOL:
                yield Finding(f"block '{item.name}': its predicate has dtype {item.predicate.dtype}", item.span)
            case Ramp() | Broadcast() | Select() | Intrin():
                yield from _vector(item)
            case _:
                pass


def _access(what: str, access: Load | Store, span: Span | None) -> Iterator[Finding]:
    name = access.buffer.name
    if len(access.indices) != access.buffer.rank:
        yield Finding(f"{what} '{name}' of rank {access.buffer.rank} with {len(access.indices)} indices", span)
    if not all(index.dtype.is_integer for index in access.indices):
        yield Finding(f"{what} '{name}': an index is not an integer", span)
    lanes = {index.dtype.lanes for index in access.indices} - {1}
    if len(lanes) > 1:
        yield Finding(f"{what} '{name}': indices have {sorted(lanes)} lanes", span)
    width = max(lanes, default=1)
    if access.predicate is not None and access.predicate.dtype not in {BOOL, BOOL.with_lanes(width)}:
        yield Finding(f"{what} '{name}': the predicate is {access.predicate.dtype}, {width} lanes are accessed", span)


def _stored(store: Store) -> Iterator[Finding]:
    width = max((index.dtype.lanes for index in store.indices), default=1)
    wanted = store.buffer.dtype.with_lanes(width)
    if store.value.dtype != wanted:
        yield Finding(f"store to '{store.buffer.name}': {store.value.dtype} where {wanted} is needed", store.span)


def _loop(loop: For) -> Iterator[Finding]:
    if loop.var.dtype != loop.begin.dtype or loop.var.dtype != loop.extent.dtype or loop.var.dtype.lanes != 1:
        yield Finding(f"loop '{loop.var.name}': the variable and its bounds differ in dtype", loop.span)
    if loop.kind not in LOOP_KINDS and not loop.kind.startswith("bind:"):
        yield Finding(f"loop '{loop.var.name}': unknown kind '{loop.kind}'", loop.span)


def _vector(expr: Ramp | Broadcast | Select | Intrin) -> Iterator[Finding]:
    match expr:
        case Ramp():
            if expr.lanes < 2 or expr.base.dtype.lanes != 1 or expr.base.dtype != expr.stride.dtype:
                yield Finding("a ramp needs a scalar base, a stride of its dtype and at least two lanes", expr.span)
        case Broadcast():
            if expr.lanes < 2 or expr.value.dtype.lanes != 1:
                yield Finding("a broadcast needs a scalar and at least two lanes", expr.span)
        case Select():
            if expr.condition.dtype.lanes not in {1, expr.dtype.lanes}:
                yield Finding(
                    f"a select of {expr.dtype.lanes} lanes has a condition of {expr.condition.dtype.lanes}", expr.span
                )
        case Intrin():
            known = INTRINSICS.get(expr.name)
            if known is None:
                return
            if len(expr.args) != known.arity:
                yield Finding(f"intrinsic '{expr.name}' takes {known.arity} arguments, not {len(expr.args)}", expr.span)
            if known.elementwise and any(arg.dtype.lanes != expr.dtype.lanes for arg in expr.args):
                yield Finding(f"intrinsic '{expr.name}': arguments and result differ in lanes", expr.span)


def _check_outputs(module: IRModule, function: TensorFunction) -> Iterator[Finding]:
    """Every output that has elements is written somewhere; inputs are not stored to."""
    del module
    bases: dict[str, str] = {}
    written: set[str] = set()
    spans: dict[str, Span | None] = {}
    passed: set[str] = set()
    for item in walk(function.body):
        match item:
            case View():
                bases[item.buffer.name] = item.base.name
            case Store():
                written.add(item.buffer.name)
                spans.setdefault(item.buffer.name, item.span)
            case Invoke():
                passed |= {arg.name for arg in item.args if isinstance(arg, Buffer)}
            case Intrin():
                passed |= {part.name for part in _buffers(item)}
            case _:
                pass
    roots = {_root(name, bases) for name in written}
    for buffer in function.input_buffers:
        if buffer.name in roots:
            yield Finding(f"the input '{buffer.name}' is stored to", spans.get(buffer.name))
    reached = roots | {_root(name, bases) for name in passed}
    for buffer in function.output_buffers:
        if buffer.name not in reached and not any(isinstance(dim, Const) and dim.value == 0 for dim in buffer.shape):
            yield Finding(f"the output '{buffer.name}' is never written", function.span)


def _buffers(root: Node) -> Iterator[Buffer]:
    return (item for item in walk(root) if isinstance(item, Buffer))


def _root(name: str, bases: dict[str, str]) -> str:
    while name in bases:
        name = bases[name]
    return name


@lru_cache(maxsize=4096)
def _invokes(function: TensorFunction) -> tuple[Invoke, ...]:
    """Return the calls of other functions of the module."""
    return tuple(item for item in walk(function.body) if isinstance(item, Invoke) and not item.packed)


def _check_invokes(module: IRModule, function: TensorFunction) -> Iterator[Finding]:
    """Functions of the module that are invoked exist and take what they are given."""
    for item in _invokes(function):
        callee = module.functions.get(item.callee)
        if not isinstance(callee, TensorFunction):
            yield Finding(f"there is no tensor function '{item.callee}' to invoke", item.span)
            continue
        if len(callee.params) != len(item.args):
            yield Finding(
                f"'{item.callee}' takes {len(callee.params)} arguments, {len(item.args)} are given", item.span
            )
            continue
        for param, arg in zip(callee.params, item.args, strict=True):
            yield from _argument(item, param, arg)


def _argument(call: Invoke, param: Var | Buffer, arg: Buffer | Expr) -> Iterator[Finding]:
    if isinstance(param, Buffer) != isinstance(arg, Buffer):
        kind = "a buffer" if isinstance(param, Buffer) else "a number"
        yield Finding(f"'{call.callee}' takes {kind} as '{param.name}'", call.span)
    elif param.dtype != arg.dtype:
        yield Finding(f"'{call.callee}' takes {param.dtype} as '{param.name}', {arg.dtype} is given", call.span)


def _check_lowered(module: IRModule, function: TensorFunction) -> Iterator[Finding]:
    """No blocks and no loops that still stand for vectors are left, but in functions that libraries run."""
    del module
    if placed(function):
        return
    for item in walk(function.body):
        if isinstance(item, Block):
            yield Finding(f"block '{item.name}' is left after lowering", item.span)
        elif isinstance(item, For) and item.kind == "vectorized":
            yield Finding(f"vectorized loop '{item.var.name}' is left after lowering", item.span)


TENSOR_RULES: tuple[TensorRule, ...] = (
    TensorRule("parameters", _check_parameters),
    TensorRule("scopes", check_scopes),
    TensorRule("types", _check_types),
    TensorRule("outputs", _check_outputs),
    TensorRule("invokes", _check_invokes, alone=False),
    TensorRule("lowered", _check_lowered, "lowered"),
)
