"""What is said of an exported model, and which models cannot be exported.

Refused: models that find out sizes during the call, values that are no tensors, and foreign functions that are not
tvm-ffi's own.
"""

from __future__ import annotations

import json

from tondo_runtime import Manifest, TensorSpec
from tondo_runtime.dims import format_shape
from tondo_tvm_ffi.imports import SCHEME


def refusal(manifest: Manifest) -> str | None:
    """Return why a model cannot be exported, or None."""
    if manifest.numbers or manifest.slots:
        return "the model finds out sizes during the call"
    other = [spec.name for spec in (*manifest.inputs, *manifest.outputs) if spec.object]
    if other:
        return f"'{other[0]}' is no tensor"
    python = [name for name in manifest.packed if not name.startswith(f"{SCHEME}:")]
    if python:
        return f"the model calls the foreign function '{python[0]}', which lives in Tondo's runtime"
    return None


def metadata_of(manifest: Manifest, name: str) -> str:
    """Return what tvm-ffi says of the function: its type, and the inputs and outputs of the model, as JSON."""
    tensor = {"type": "ffi.Tensor"}
    returned = tensor if len(manifest.outputs) == 1 else {"type": "ffi.Array", "args": [tensor]}
    schema = {"type": "ffi.Function", "args": [returned, *([tensor] * len(manifest.inputs))]}
    described = {
        "type_schema": json.dumps(schema),
        "tondo": {
            "name": name,
            "model": manifest.name,
            "producer": dict(manifest.producer),
            "inputs": [_described(spec) for spec in manifest.inputs],
            "outputs": [_described(spec) for spec in manifest.outputs],
        },
    }
    return json.dumps(described)


def _described(spec: TensorSpec) -> dict[str, str]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": format_shape(spec.shape)}


def documentation_of(manifest: Manifest, name: str) -> str:
    """Return the documentation of the function."""
    words = [f"{spec.name}: {spec.dtype} {format_shape(spec.shape)}" for spec in manifest.inputs]
    results = [f"{spec.name}: {spec.dtype} {format_shape(spec.shape)}" for spec in manifest.outputs]
    return (
        f"{name}({', '.join(words)}) returns {', '.join(results)}.\n\n"
        f"The model '{manifest.name}'. With the outputs as further arguments it writes into them and returns None."
    )
