"""Expressions to register values: one small writer per node class.

The side of a Select that is not taken reads no memory: a scalar condition becomes a branch, a vector condition a mask
around the loads, and sides without loads a plain ``select``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from tondo.diagnostics import fail
from tondo.ir import Binary, Broadcast, Cast, Compare, Const, Expr, Intrin, Load, Ramp, Select, Unary, Var
from tondo_llvm.emit.arithmetic import binary, unary
from tondo_llvm.emit.basic import choose, compare
from tondo_llvm.emit.convert import convert
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.intrinsics import intrinsic
from tondo_llvm.emit.linear import compare_lanes, splat
from tondo_llvm.emit.memory import load
from tondo_llvm.emit.types import Operand, literal, register_type, vector_literal


def evaluate(frame: Frame, expr: Expr) -> Operand:
    """Write ``expr`` and return its register value.

    Raises:
        TondoError: TND-B004 for a form that cannot be expressed.
    """
    writer = _WRITERS.get(type(expr))
    if writer is None:
        fail("TND-B004", f"expressions of class {type(expr).__name__} cannot be compiled")
    return writer(frame, expr)


def _var(frame: Frame, expr: Expr) -> Operand:
    return frame.var(cast("Var", expr))


def _const(frame: Frame, expr: Expr) -> Operand:
    known = cast("Const", expr)
    return literal(known.value, known.dtype)


def _binary(frame: Frame, expr: Expr) -> Operand:
    node = cast("Binary", expr)
    return binary(frame, node.op, frame.value(node.a), frame.value(node.b), node.dtype)


def _unary(frame: Frame, expr: Expr) -> Operand:
    node = cast("Unary", expr)
    return unary(frame, node.op, frame.value(node.a), node.dtype)


def _compare(frame: Frame, expr: Expr) -> Operand:
    node = cast("Compare", expr)
    mask = compare_lanes(frame, node)
    if mask is not None:
        return mask
    return compare(frame, node.op, frame.value(node.a), frame.value(node.b), node.a.dtype)


def _cast(frame: Frame, expr: Expr) -> Operand:
    node = cast("Cast", expr)
    return convert(frame, frame.value(node.a), node.a.dtype, node.dtype)


def _load(frame: Frame, expr: Expr) -> Operand:
    return load(frame, cast("Load", expr))


def _intrin(frame: Frame, expr: Expr) -> Operand:
    return intrinsic(frame, cast("Intrin", expr))


def _broadcast(frame: Frame, expr: Expr) -> Operand:
    node = cast("Broadcast", expr)
    value = frame.value(node.value)
    return value if node.lanes == 1 else splat(frame, value, register_type(node.value.dtype), node.lanes)


def _ramp(frame: Frame, expr: Expr) -> Operand:
    node = cast("Ramp", expr)
    base, stride = frame.value(node.base), frame.value(node.stride)
    scalar = node.base.dtype
    if node.lanes == 1:
        return base
    if scalar.is_float or scalar.is_bool:
        fail("TND-B004", f"a ramp counts integers, not {scalar}", span=node.span)
    element = register_type(scalar)
    kind = f"<{node.lanes} x {element}>"
    steps: Operand
    if isinstance(stride, int):
        if isinstance(base, int):
            return vector_literal([base + stride * lane for lane in range(node.lanes)], element)
        steps = vector_literal([stride * lane for lane in range(node.lanes)], element)
    else:
        lanes = vector_literal(list(range(node.lanes)), element)
        steps = frame.out.pure(f"mul {kind} {splat(frame, stride, element, node.lanes)}, {lanes}", "steps")
    return frame.out.pure(f"add {kind} {splat(frame, base, element, node.lanes)}, {steps}", "ramp")


def _select(frame: Frame, expr: Expr) -> Operand:
    node = cast("Select", expr)
    if not (frame.loads(node.a) or frame.loads(node.b)):
        condition = frame.value(node.condition)
        if node.condition.dtype.lanes == 1 and node.dtype.lanes > 1 and isinstance(condition, str):
            condition = splat(frame, condition, "i1", node.dtype.lanes)
        return choose(frame, condition, frame.value(node.a), frame.value(node.b), node.dtype)
    uniform = node.condition
    while isinstance(uniform, Broadcast):
        uniform = uniform.value
    if uniform.dtype.lanes == 1:
        return _branch(frame, frame.value(uniform), node)
    return _masked_select(frame, node)


def _branch(frame: Frame, condition: Operand, node: Select) -> Operand:
    if isinstance(condition, int):
        return frame.value(node.a if condition else node.b)
    out = frame.out
    then, orelse, done = out.label("then"), out.label("else"), out.label("chosen")
    out.branch_if(condition, then, orelse)
    arms: list[str] = []
    for label, side in ((then, node.a), (orelse, node.b)):
        out.start(label)
        with out.scope():
            value = frame.value(side)
        arms.append(f"[ {value}, %{out.block} ]")
        out.branch(done)
    out.start(done)
    return out.value(f"phi {register_type(node.dtype)} {', '.join(arms)}", "chosen")


def _masked_select(frame: Frame, node: Select) -> Operand:
    lanes = node.dtype.lanes
    kind = f"<{lanes} x i1>"
    condition = frame.value(node.condition)
    inverse = frame.out.pure(f"xor {kind} {condition}, splat (i1 1)", "not")
    sides: list[Operand] = []
    for mask, side in ((condition, node.a), (inverse, node.b)):
        if not frame.loads(side):
            sides.append(frame.value(side))
            continue
        inner = mask
        if frame.mask is not None and frame.mask_lanes == lanes:
            inner = frame.out.pure(f"and {kind} {mask}, {frame.mask}", "mask")
        with frame.masked(inner, lanes):
            sides.append(frame.value(side))
    return choose(frame, condition, sides[0], sides[1], node.dtype)


_WRITERS: Final[dict[type[Expr], Callable[[Frame, Expr], Operand]]] = {
    Var: _var,
    Const: _const,
    Binary: _binary,
    Unary: _unary,
    Compare: _compare,
    Cast: _cast,
    Load: _load,
    Intrin: _intrin,
    Broadcast: _broadcast,
    Ramp: _ramp,
    Select: _select,
}
