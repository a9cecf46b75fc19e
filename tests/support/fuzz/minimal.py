"""Make a failing model smaller while it fails in the same way: outputs and nodes that do not matter are left out."""

from __future__ import annotations

import onnx
from google.protobuf.message import DecodeError

from fuzz.seeds import seeds
from fuzz.trial import Trial, judged

_ATTEMPTS = 40
_SLOW = ("hang", "memory")


def smaller(found: Trial, mixed: int) -> bytes:
    """Return the bytes of a model that fails as ``found`` does."""
    if found.outcome in _SLOW:
        return found.model
    try:
        model = onnx.ModelProto.FromString(found.model)
    except DecodeError:
        return found.model
    seed = next(seed for seed in seeds() if seed.name == found.seed)
    attempts = 0
    for field in (model.graph.output, model.graph.node, model.graph.initializer, model.graph.value_info):
        for index in reversed(range(len(field))):
            if attempts >= _ATTEMPTS or (field is model.graph.output and len(field) == 1):
                break
            attempts += 1
            kept = type(field[index])()
            kept.CopyFrom(field[index])
            del field[index]
            if not _same(found, judged(model.SerializeToString(), seed, found.number, mixed)):
                field.insert(index, kept)
    return model.SerializeToString()


def _same(found: Trial, other: Trial) -> bool:
    return found.outcome == other.outcome and found.reason[:60] == other.reason[:60]
