"""A look at the outer layer of a protobuf file: tells a damaged model from a file that never was one.

The parser of protobuf only says that it failed. This walk over the top-level fields says where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_FIELDS: Final = {
    1: "ir_version",
    2: "producer_name",
    3: "producer_version",
    4: "domain",
    5: "model_version",
    6: "doc_string",
    7: "graph",
    8: "opset_import",
    14: "metadata_props",
    20: "training_info",
    25: "functions",
    26: "configuration",
}
_VARINT_FIELDS: Final = frozenset({1, 5})
_MAX_VARINT: Final = 10


@dataclass(frozen=True, slots=True)
class WireReport:
    """What the walk found.

    Attributes:
        offset: where it ended; the length of the data if nothing is wrong.
        fields: names of the complete fields before that.
        problem: what is wrong there; None if nothing is.
        truncated: whether the data ends inside a field.
    """

    offset: int
    fields: tuple[str, ...]
    problem: str | None = None
    truncated: bool = False


def inspect_model(data: bytes) -> WireReport:
    """Walk over the top-level fields of a serialised ``ModelProto``."""
    offset, fields = 0, list[str]()
    while offset < len(data):
        tag, after = _varint(data, offset)
        if tag is None:
            return WireReport(offset, tuple(fields), "a field number is cut off", truncated=True)
        name = _FIELDS.get(tag >> 3)
        wanted = 0 if tag >> 3 in _VARINT_FIELDS else 2
        if name is None or tag & 7 != wanted:
            return WireReport(offset, tuple(fields), f"no field of a model starts with byte 0x{data[offset]:02x}")
        value, after = _varint(data, after)
        if value is None:
            return WireReport(offset, tuple(fields), f"field '{name}' is cut off", truncated=True)
        end = after + (value if wanted else 0)
        if end > len(data):
            problem = f"field '{name}' says {value} bytes, {len(data) - after} are left"
            return WireReport(offset, tuple(fields), problem, truncated=True)
        fields.append(name)
        offset = end
    return WireReport(offset, tuple(fields))


def _varint(data: bytes, offset: int) -> tuple[int | None, int]:
    value = 0
    for position in range(offset, min(offset + _MAX_VARINT, len(data))):
        value |= (data[position] & 0x7F) << (7 * (position - offset))
        if data[position] < 0x80:
            return value, position + 1
    return None, offset
