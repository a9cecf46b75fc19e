"""Typed access to the attributes of an operator call, and the refusal of a call.

Every reader takes the call, the name and a default; an attribute of a wrong type raises TND-M006.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn, cast

from tondo.diagnostics import fail
from tondo.ir import DType, Expr, OpCall, TensorType, as_expr
from tondo_ops.support.dims import text, tidy


class _Missing:
    """No default: the attribute is required."""


MISSING: Final = _Missing()
Number = int | float


def type_text(value: TensorType) -> str:
    """Return a tensor type as text: ``float32[n, 3]``."""
    shape = "..." if value.shape is None else ", ".join(text(extent) for extent in value.shape)
    return f"{value.dtype}[{shape}]"


def refuse(call: OpCall, reason: str) -> NoReturn:
    """Raise TND-M006: ``call`` is not a valid use of its operator."""
    listing = ", ".join(type_text(arg) for arg in call.args) or "none"
    fail("TND-M006", f"{call.op}: {reason}", notes=[f"arguments: {listing}"])


def _value(call: OpCall, name: str, default: object) -> object:
    if name in call.attrs:
        return call.attrs[name]
    if default is MISSING:
        refuse(call, f"attribute '{name}' is missing")
    return default


def integer(call: OpCall, name: str, default: int | _Missing = MISSING) -> int:
    """Return an integer attribute."""
    value = _value(call, name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(call, f"attribute '{name}' must be an integer")
    return value


def flag(call: OpCall, name: str, default: bool | _Missing = MISSING) -> bool:
    """Return a boolean attribute (0 and 1 are taken)."""
    value = _value(call, name, default)
    if not isinstance(value, int) or value not in {0, 1}:
        refuse(call, f"attribute '{name}' must be true or false")
    return bool(value)


def number(call: OpCall, name: str, default: Number | _Missing = MISSING) -> Number:
    """Return a numeric attribute."""
    value = _value(call, name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        refuse(call, f"attribute '{name}' must be a number")
    return value


def optional_number(call: OpCall, name: str) -> Number | None:
    """Return a numeric attribute; None if it is left out or None."""
    return None if _value(call, name, None) is None else number(call, name)


def choice(call: OpCall, name: str, options: Sequence[str], default: str | _Missing = MISSING) -> str:
    """Return a text attribute that is one of ``options``."""
    value = _value(call, name, default)
    if not isinstance(value, str) or value not in options:
        refuse(call, f"attribute '{name}' is {value!r}, it must be one of {', '.join(options)}")
    return value


def string(call: OpCall, name: str) -> str:
    """Return a text attribute."""
    value = _value(call, name, MISSING)
    if not isinstance(value, str):
        refuse(call, f"attribute '{name}' must be a text")
    return value


def element_type(call: OpCall, name: str, default: DType | _Missing = MISSING) -> DType:
    """Return a dtype attribute."""
    value = _value(call, name, default)
    if not isinstance(value, DType):
        refuse(call, f"attribute '{name}' must be a dtype")
    return value


def _items(call: OpCall, name: str, default: object) -> tuple[object, ...]:
    value = _value(call, name, default)
    if not isinstance(value, tuple):
        refuse(call, f"attribute '{name}' must be a tuple")
    return cast("tuple[object, ...]", value)


def ints(call: OpCall, name: str, default: tuple[int, ...] | _Missing = MISSING) -> tuple[int, ...]:
    """Return an attribute that is a tuple of integers."""
    items = _items(call, name, default)
    result = [item for item in items if isinstance(item, int) and not isinstance(item, bool)]
    if len(result) != len(items):
        refuse(call, f"attribute '{name}' must hold integers")
    return tuple(result)


def optional_ints(call: OpCall, name: str) -> tuple[int, ...] | None:
    """Return an attribute that is a tuple of integers; None if it is left out or None."""
    return None if _value(call, name, None) is None else ints(call, name)


def floats(call: OpCall, name: str) -> tuple[float, ...] | None:
    """Return an attribute that is a tuple of numbers; None if it is left out or None."""
    if _value(call, name, None) is None:
        return None
    items = _items(call, name, MISSING)
    result = [float(item) for item in items if isinstance(item, (int, float))]
    if len(result) != len(items):
        refuse(call, f"attribute '{name}' must hold numbers")
    return tuple(result)


def dim(call: OpCall, name: str, default: int | _Missing = MISSING) -> Expr:
    """Return an attribute that is a dimension (an integer or an expression)."""
    return _dim(call, name, _value(call, name, default))


def extents(call: OpCall, name: str, default: tuple[int, ...] | _Missing = MISSING) -> tuple[Expr, ...]:
    """Return an attribute that is a tuple of dimensions."""
    return tuple(_dim(call, name, item) for item in _items(call, name, default))


def optional_extents(call: OpCall, name: str) -> tuple[Expr | None, ...]:
    """Return an attribute that is a tuple of dimensions or Nones."""
    return tuple(None if item is None else _dim(call, name, item) for item in _items(call, name, MISSING))


def number_or_expr(call: OpCall, name: str, default: Number | _Missing = MISSING) -> Number | Expr:
    """Return an attribute that is a number or an expression."""
    value = _value(call, name, default)
    if not isinstance(value, (bool, int, float, Expr)):
        refuse(call, f"attribute '{name}' must be a number or an expression")
    return value


def _dim(call: OpCall, name: str, value: object) -> Expr:
    if isinstance(value, bool) or not isinstance(value, (int, Expr)):
        refuse(call, f"attribute '{name}' must hold integers or dimension expressions")
    return tidy(as_expr(value))


def axis_of(call: OpCall, rank: int, name: str = "axis", default: int | _Missing = MISSING) -> int:
    """Return an axis attribute as an index in ``0 .. rank-1``."""
    return normal_axis(call, integer(call, name, default), rank)


def normal_axis(call: OpCall, axis: int, rank: int) -> int:
    """Return ``axis`` as an index in ``0 .. rank-1``."""
    if not -rank <= axis < rank:
        refuse(call, f"axis {axis} is out of range for rank {rank}")
    return axis % rank


def axes_of(call: OpCall, axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """Return distinct ``axes`` as sorted indices in ``0 .. rank-1``."""
    result = sorted(normal_axis(call, axis, rank) for axis in axes)
    if len(set(result)) != len(result):
        refuse(call, f"axes {tuple(axes)} repeat an axis")
    return tuple(result)
