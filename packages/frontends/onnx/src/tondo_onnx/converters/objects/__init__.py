"""Converters of operators on values that are no tensors: texts, sequences, optional values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from onnx import NodeProto

from tondo_onnx.build.values import Value
from tondo_onnx.converters.objects import sequences, texts
from tondo_onnx.nodes.site import Converter, Versions
from tondo_onnx.problems import Unsupported

CONVERTERS: Final[Mapping[str, Versions]] = {**sequences.CONVERTERS, **texts.CONVERTERS}
_PASSING: Final = frozenset({"Identity", "If", "Loop", "SequenceMap"})
"""Operators that pass on what they are given, whatever it is."""
_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})


def object_converter(node: NodeProto, inputs: Sequence[Value | None]) -> Converter | None:
    """Return the converter of ``node`` if it works on other values than tensors, else None.

    Raises:
        Unsupported: for such a value as the input of an operator on tensors.
    """
    if node.domain not in _DOMAINS:
        return None
    if node.op_type in CONVERTERS:
        return CONVERTERS[node.op_type][0][1]
    given = [value.object for value in inputs if value is not None and value.object is not None]
    says = texts.MAKERS.get(node.op_type)
    if node.op_type in texts.FORMS and (given or (says is not None and says(node))):
        return texts.FORMS[node.op_type]
    if given and node.op_type not in _PASSING:
        raise Unsupported(f"it cannot work on {given[0]}")
    return None


__all__ = ["CONVERTERS", "object_converter"]
