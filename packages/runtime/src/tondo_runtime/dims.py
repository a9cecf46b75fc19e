"""Dimensions of the manifest: integers, symbols, and trees of integer arithmetic over them.

Form before: JSON (``4``, ``"batch"``, ``["mul", "batch", 4]``). Form after: :data:`Dim`. Evaluation is checked:
every intermediate value has to fit a signed 64-bit integer, because generated code computes with those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from collections.abc import Mapping

DimOperator = Literal["add", "sub", "mul", "floordiv", "floormod", "min", "max", "eq", "lt"]
"""Operations; comparisons are 1 where they hold, else 0."""
_OPERATORS: tuple[str, ...] = get_args(DimOperator)
_INFIX = {"add": "+", "sub": "-", "mul": "*", "floordiv": "//", "floormod": "%", "eq": "==", "lt": "<"}
_FORM = "a dimension is an integer, a symbol or [operator, dimension, dimension]"
INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
MAX_DEPTH = 200
"""Deepest accepted tree."""


@dataclass(frozen=True, slots=True)
class DimTree:
    """An arithmetic operation on two dimensions."""

    operator: DimOperator
    left: Dim
    right: Dim


Dim: TypeAlias = int | str | DimTree


def parse_dim(value: object, symbols: frozenset[str], depth: int = 0) -> Dim:
    """Return the dimension that a JSON value describes.

    Raises:
        ValueError: if it is not one, names a symbol outside ``symbols`` or is nested too deep.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"a dimension is nested deeper than {MAX_DEPTH} levels")
    match value:
        case bool():
            raise ValueError("a dimension is an integer, a symbol or an operation, not a boolean")
        case int():
            if not INT64_MIN <= value <= INT64_MAX:
                raise ValueError("a dimension does not fit 64 bits")
            return value
        case str():
            if value not in symbols:
                raise ValueError(f"a dimension names the undeclared symbol {value[:64]!r}")
            return value
        case list():
            return _parse_tree(cast("list[object]", value), symbols, depth)
        case _:
            raise ValueError(_FORM)


def _parse_tree(items: list[object], symbols: frozenset[str], depth: int) -> DimTree:
    if len(items) != 3 or items[0] not in _OPERATORS:
        raise ValueError(_FORM)
    left, right = parse_dim(items[1], symbols, depth + 1), parse_dim(items[2], symbols, depth + 1)
    return DimTree(cast("DimOperator", items[0]), left, right)


def dim_to_json(dim: Dim) -> object:
    """Return the JSON form of ``dim``."""
    if isinstance(dim, DimTree):
        return [dim.operator, dim_to_json(dim.left), dim_to_json(dim.right)]
    return dim


def evaluate(dim: Dim, values: Mapping[str, int]) -> int:
    """Return the value of ``dim`` when symbols have ``values``.

    Raises:
        RuntimeFailure: TND-X003 if an intermediate value leaves 64 bits or a divisor is zero.
    """
    if isinstance(dim, int):
        return dim
    if isinstance(dim, str):
        return values[dim]
    left, right = evaluate(dim.left, values), evaluate(dim.right, values)
    if dim.operator in {"floordiv", "floormod"} and right == 0:
        fail("TND-X003", f"the size {format_dim(dim)} divides by zero", notes=(_values(values),))
    result = _apply(dim.operator, left, right)
    if not INT64_MIN <= result <= INT64_MAX:
        fail(
            "TND-X003",
            f"the size {format_dim(dim)} does not fit 64 bits",
            notes=(_values(values),),
            help="use smaller inputs",
        )
    return result


def names_of(dim: Dim) -> frozenset[str]:
    """Return the symbols that ``dim`` names."""
    if isinstance(dim, DimTree):
        return names_of(dim.left) | names_of(dim.right)
    return frozenset({dim}) if isinstance(dim, str) else frozenset()


def format_dim(dim: Dim) -> str:
    """Return ``dim`` as a person writes it, for messages."""
    if not isinstance(dim, DimTree):
        return str(dim)
    left, right = format_dim(dim.left), format_dim(dim.right)
    if dim.operator in _INFIX:
        return f"({left} {_INFIX[dim.operator]} {right})"
    return f"{dim.operator}({left}, {right})"


def format_shape(shape: tuple[Dim, ...]) -> str:
    """Return a shape as a person writes it, for messages."""
    inner = ", ".join(format_dim(dim) for dim in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def _apply(operator: DimOperator, left: int, right: int) -> int:
    match operator:
        case "add":
            return left + right
        case "sub":
            return left - right
        case "mul":
            return left * right
        case "floordiv":
            return left // right
        case "floormod":
            return left % right
        case "min":
            return min(left, right)
        case "max":
            return max(left, right)
        case "eq":
            return int(left == right)
        case "lt":
            return int(left < right)


def _values(values: Mapping[str, int]) -> str:
    return "with " + ", ".join(f"{name} = {value}" for name, value in values.items())
