"""Scalar expressions, attributes and types as script text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tondo.ir import (
    BOOL,
    FLOAT32,
    GLOBAL,
    INT64,
    INTRINSICS,
    Attrs,
    AttrValue,
    Binary,
    Broadcast,
    Buffer,
    Cast,
    Compare,
    Const,
    DType,
    Expr,
    FunctionType,
    Intrin,
    Load,
    ObjectType,
    Ramp,
    Region,
    ScalarType,
    Select,
    ShapeType,
    TensorType,
    TupleType,
    Type,
    Unary,
    Var,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

OPERATORS: Final = {
    "or": ("|", 1),
    "xor": ("^", 2),
    "and": ("&", 3),
    "shl": ("<<", 4),
    "shr": (">>", 4),
    "add": ("+", 5),
    "sub": ("-", 5),
    "mul": ("*", 6),
    "div": ("/", 6),
    "floordiv": ("//", 6),
    "floormod": ("%", 6),
}
"""Binary operations with Python operators, and how tightly these bind."""
COMPARISONS: Final = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_UNARY: Final = 7
_POWER: Final = 8
_ATOM: Final = 9


def expr_text(value: Expr) -> str:
    """Return ``value`` as script."""
    return _text(value)[0]


def _inside(value: Expr, level: int) -> str:
    text, own = _text(value)
    return text if own >= level else f"({text})"


def _text(value: Expr) -> tuple[str, int]:
    match value:
        case Var():
            return value.name, _ATOM
        case Const():
            text = const_text(value)
            return text, _UNARY if text.startswith("-") else _ATOM
        case Binary() if value.op in OPERATORS:
            return _chain(value)
        case Binary(op="pow"):
            return f"{_inside(value.a, _ATOM)} ** {_inside(value.b, _ATOM)}", _POWER
        case Binary():
            return _call(value.op, value.a, value.b), _ATOM
        case Compare():
            return f"{_inside(value.a, 1)} {COMPARISONS[value.op]} {_inside(value.b, 1)}", 0
        case Unary(op="not"):
            return f"~{_inside(value.a, _UNARY)}", _UNARY
        case Unary():
            if isinstance(value.a, Const):
                return _call("neg", value.a), _ATOM
            return f"-{_inside(value.a, _UNARY)}", _UNARY
        case _:
            return _form(value), _ATOM


def _form(value: Expr) -> str:
    """Return an expression that is written as a call or an access."""
    match value:
        case Select():
            return _call("select", value.condition, value.a, value.b)
        case Cast():
            return f'cast("{value.dtype}", {expr_text(value.a)})'
        case Load():
            access = access_text(value.buffer, value.indices)
            return access if value.predicate is None else f"load({access}, where={expr_text(value.predicate)})"
        case Intrin():
            return _intrin(value)
        case Ramp():
            return f"ramp({expr_text(value.base)}, {expr_text(value.stride)}, {value.lanes})"
        case Broadcast():
            return f"broadcast({expr_text(value.value)}, {value.lanes})"
        case _:
            raise TypeError(type(value))


def _chain(value: Binary) -> tuple[str, int]:
    """Return operators with their left operands, from the innermost one outwards (sums may be very long)."""
    spine = [value]
    while isinstance(left := spine[-1].a, Binary) and left.op in OPERATORS:
        spine.append(left)
    text, own = _text(spine[-1].a)
    for item in reversed(spine):
        symbol, level = OPERATORS[item.op]
        text = f"{text if own >= level else f'({text})'} {symbol} {_inside(item.b, level + 1)}"
        own = level
    return text, own


def _call(name: str, *args: Expr) -> str:
    return f"{name}({', '.join(expr_text(arg) for arg in args)})"


def _intrin(value: Intrin) -> str:
    args = [expr_text(arg) for arg in value.args]
    info = INTRINSICS.get(value.name)
    plain = info is not None and info.arity == len(args) and len({arg.dtype for arg in value.args}) == 1
    if not plain:
        args.insert(0, repr(value.name))
    if not value.args or value.dtype != value.args[0].dtype:
        args.append(f'dtype="{value.dtype}"')
    return f"{value.name if plain else 'intrin'}({', '.join(args)})"


def const_text(value: Const) -> str:
    """Return a literal; int64, float32 and bool are plain, the others name their dtype."""
    number = value.value
    special = isinstance(number, float) and not math.isfinite(number)
    text = f'"{number}"' if special else repr(number)
    plain = value.dtype in {INT64, BOOL} or (value.dtype == FLOAT32 and not special)
    return text if plain else f"{value.dtype}({text})"


def access_text(buffer: Buffer, indices: Sequence[Expr]) -> str:
    """Return ``buffer[indices]``."""
    return f"{buffer.name}[{', '.join(expr_text(index) for index in indices) or '()'}]"


def region_text(region: Region) -> str:
    """Return a region: an index where the extent is 1, ``begin:+extent`` elsewhere."""
    parts = [
        expr_text(item.begin) if item.extent == Const(1) else f"{expr_text(item.begin)}:+{_inside(item.extent, _UNARY)}"
        for item in region.ranges
    ]
    return f"{region.buffer.name}[{', '.join(parts) or '()'}]"


def shape_text(shape: Sequence[Expr]) -> str:
    """Return dimensions as a tuple."""
    inner = ", ".join(expr_text(extent) for extent in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def buffer_text(buffer: Buffer) -> str:
    """Return the declaration of a buffer."""
    return f"Buffer({buffer_arguments(buffer)})"


def buffer_arguments(buffer: Buffer) -> str:
    """Return what a declaration says of a buffer: shape, dtype and what is not the default."""
    parts = [shape_text(buffer.shape), f'"{buffer.dtype}"']
    if buffer.scope != GLOBAL:
        parts.append(f"scope={buffer.scope!r}")
    if buffer.strides is not None:
        parts.append(f"strides={shape_text(buffer.strides)}")
    if buffer.align:
        parts.append(f"align={buffer.align}")
    return ", ".join(parts)


def attrs_text(attrs: Attrs) -> str:
    """Return attributes as a dictionary."""
    return "{" + ", ".join(f"{name!r}: {attr_text(value)}" for name, value in attrs.items()) + "}"


def attr_text(value: AttrValue) -> str:
    """Return one attribute value."""
    match value:
        case DType():
            return f'dtype("{value}")'
        case Var() if value.dtype != INT64:
            return f'var({value.name!r}, "{value.dtype}")'
        case Expr():
            return f"expr({expr_text(value)})"
        case Attrs():
            return attrs_text(value)
        case tuple():
            inner = ", ".join(attr_text(item) for item in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        case float() if not math.isfinite(value):
            return f'float("{value}")'
        case _:
            return repr(value)


def type_text(value: Type) -> str:
    """Return a graph type."""
    match value:
        case TensorType():
            return f'Tensor({"None" if value.shape is None else shape_text(value.shape)}, "{value.dtype}")'
        case ScalarType():
            return f'Scalar("{value.dtype}")'
        case ShapeType():
            return f"Shape({value.rank})"
        case ObjectType():
            return f"Object({value.name!r})"
        case TupleType():
            return f"Tuple({types_text(value.items)})"
        case FunctionType():
            return f"Function({types_text(value.params)}, {types_text(value.results)})"
        case _:
            raise TypeError(type(value))


def types_text(values: Sequence[Type]) -> str:
    """Return types as a tuple."""
    inner = ", ".join(type_text(value) for value in values)
    return f"({inner},)" if len(values) == 1 else f"({inner})"
