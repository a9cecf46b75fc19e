"""How many inputs and outputs a node may have, as the definition of its operator says."""

from __future__ import annotations

from functools import cache
from typing import Final

from onnx import NodeProto, defs

from tondo.diagnostics import fail

_MANY: Final = 1 << 20
_NEWEST: Final = (1 << 31) - 1
"""Largest version of an operator set that can be asked for."""


def check_arity(node: NodeProto, domain: str, version: int, label: str) -> None:
    """Refuse a node with more or fewer inputs or outputs than its operator has; unknown operators are not judged.

    Raises:
        TondoError: TND-M004.
    """
    known = _arity(node.op_type, domain, version)
    if known is None:
        return
    for what, count, (least, most) in (
        ("inputs", len(node.input), known[0]),
        ("outputs", len(node.output), known[1]),
    ):
        if not least <= count <= most:
            wanted = str(least) if least == most else f"{least} or more" if most >= _MANY else f"{least} to {most}"
            fail("TND-M004", f"{label} has {count} {what}, {node.op_type} has {wanted}")


_Bounds = tuple[int, int]


def _schema(op: str, version: int, domain: str) -> defs.OpSchema | None:
    """Return the definition of an operator as of a version, which may be older than the operator."""
    try:
        return defs.get_schema(op, version, domain)
    except defs.SchemaError:
        return None


@cache
def _arity(op: str, domain: str, version: int) -> tuple[_Bounds, _Bounds] | None:
    schema = _schema(op, max(1, min(version, _NEWEST)), domain) or _schema(op, _NEWEST, domain)
    if schema is None:
        return None
    return (schema.min_input, schema.max_input), (schema.min_output, schema.max_output)
