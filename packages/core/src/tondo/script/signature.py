"""Signatures of operators: attributes are the parameters after ``*``, with a kind and perhaps a default.

``def gate(x: Buffer((n,), T), y: Buffer((n,), T), *, T: DType, alpha: float = 1.0)``: ``T`` is the element type of the
inputs that are declared with it, the others are attributes of the operator.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Final

from tondo.diagnostics import fail, suggest
from tondo.ir import Attribute, AttributeKind, AttrValue, OpCall
from tondo.script.parse_types import DeclarationReader
from tondo.script.reader import Reader

_KINDS: Final[dict[str, AttributeKind]] = {
    "int": "int",
    "float": "float",
    "str": "str",
    "bool": "bool",
    "tuple[int, ...]": "ints",
    "tuple[float, ...]": "floats",
    "tuple[str, ...]": "strs",
}
_DTYPE: Final = "DType"
_NODE: Final = re.compile(r"[A-Za-z0-9_.\-]*::[A-Za-z_]\w*")
_NAME: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def attributes_in(tree: ast.FunctionDef, reader: DeclarationReader) -> tuple[dict[str, Attribute], tuple[str, ...]]:
    """Return the attributes that the parameters of ``tree`` declare, and the names that stand for element types.

    Raises:
        TondoError: TND-S001 for a parameter without a kind, or of another one; TND-S003 for a default of another kind.
    """
    args = tree.args
    for other in (args.vararg, args.kwarg, *args.posonlyargs, *args.defaults):
        if other is not None:
            reader.fail(other, "inputs are plain parameters, attributes stand after '*'")
    found: dict[str, Attribute] = {}
    types: list[str] = []
    for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True):
        text = "" if arg.annotation is None else _unquoted(ast.unparse(arg.annotation))
        if text == _DTYPE:
            if default is not None:
                reader.fail(default, "an element type is that of the inputs, it has no default")
            types.append(arg.arg)
            continue
        kind = _KINDS.get(text)
        if kind is None:
            known = ", ".join([*_KINDS, _DTYPE])
            reader.fail(arg, f"attribute '{arg.arg}' needs a kind", help=suggest(text, _KINDS) or f"one of {known}")
        found[arg.arg] = Attribute(kind, _default(arg.arg, kind, default, reader))
    return found, tuple(types)


def check_name(name: str, what: str = "operator") -> str:
    """Return ``name`` if it is a dotted identifier.

    Raises:
        TondoError: TND-U005 otherwise.
    """
    if _NAME.fullmatch(name) is None:
        fail("TND-U005", f"{name!r} is no name of an {what}", help="write for example 'com.acme.gate'")
    return name


def check_node(name: str) -> str:
    """Return ``name`` if it names an operator of a domain.

    Raises:
        TondoError: TND-U005 otherwise.
    """
    if _NODE.fullmatch(name) is None:
        fail("TND-U005", f"{name!r} is no operator of a domain", help="write for example 'com.acme::Gate'")
    return name


def bound(attributes: Mapping[str, Attribute], use: OpCall) -> dict[str, AttrValue]:
    """Return the values of all attributes in ``use``, defaults included.

    Raises:
        TondoError: TND-M006 for one that the operator does not have, that is missing, or of another kind.
    """
    for name in use.attrs:
        if name not in attributes:
            fail("TND-M006", f"'{use.op}' has no attribute '{name}'", help=suggest(name, attributes))
    values: dict[str, AttrValue] = {}
    for name, attribute in attributes.items():
        value = use.attrs.get(name, attribute.default)
        if value is None:
            fail("TND-M006", f"'{use.op}' needs the attribute '{name}'")
        fitting = as_kind(value, attribute.kind)
        if fitting is None:
            fail("TND-M006", f"'{use.op}': the attribute '{name}' is {value!r}, not {_described(attribute.kind)}")
        values[name] = fitting
    return values


def as_kind(value: AttrValue, kind: AttributeKind) -> AttrValue:
    """Return ``value`` as one of ``kind``, None if it is none."""
    if isinstance(value, tuple):
        items = [as_kind(item, _ITEM[kind]) for item in value] if kind in _ITEM else [None]
        return None if any(item is None for item in items) else tuple(items)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value if type(value) is _TYPES.get(kind) else None


_ITEM: Final[dict[str, AttributeKind]] = {"ints": "int", "floats": "float", "strs": "str"}
_TYPES: Final[dict[str, type]] = {"int": int, "float": float, "str": str, "bool": bool}


def _described(kind: AttributeKind) -> str:
    names = {entry: text for text, entry in _KINDS.items()}
    return names[kind]


def _unquoted(text: str) -> str:
    return text[1:-1] if text[:1] in {"'", '"'} else text


def _default(name: str, kind: AttributeKind, tree: ast.expr | None, reader: DeclarationReader) -> AttrValue:
    if tree is None:
        return None
    value = as_kind(reader.attr(tree), kind)
    if value is None:
        reader.fail(tree, f"the default of '{name}' is not {_described(kind)}", code="TND-S003")
    return value


def element_types(tree: ast.FunctionDef, names: tuple[str, ...], use: OpCall, reader: Reader) -> dict[str, AttrValue]:
    """Return the element types that ``names`` stand for: those of the first inputs that are declared with them.

    Raises:
        TondoError: TND-S003 for a name that no input is declared with; TND-M006 for a missing input.
    """
    values: dict[str, AttrValue] = {}
    for name in names:
        position = next((place for place, arg in enumerate(tree.args.args) if _declared_with(arg, name)), None)
        if position is None:
            reader.fail(tree, f"no input is declared with the element type '{name}'", code="TND-S003")
        if position >= len(use.args):
            fail("TND-M006", f"'{use.op}': input {position} is missing")
        values[name] = use.args[position].dtype
    return values


def _declared_with(arg: ast.arg, name: str) -> bool:
    call = arg.annotation
    return isinstance(call, ast.Call) and any(isinstance(item, ast.Name) and item.id == name for item in call.args[1:])
