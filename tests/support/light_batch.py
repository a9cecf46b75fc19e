"""The light networks with a batch dimension of any size.

The files were exported for one picture: the input is ``[1, 3, 224, 224]`` and every reshape names a batch of 1. Here
the input's first dimension gets a name and such reshapes copy the batch instead, so that the same weights serve any
number of pictures, in Tondo as in a reference engine.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

BATCH = "batch"


def with_any_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of ``model`` whose input and outputs begin with the dimension ``batch``."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    free_reshapes(changed)
    for value in (*changed.graph.input, *changed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    return changed


def free_reshapes(model: onnx.ModelProto) -> None:
    """Let every reshape of pictures copy its batch; the input's shape stays as it is."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    pictures = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if pictures.isdisjoint(node.input):
            continue
        pictures.update(node.output)
        if node.op_type == "Reshape":
            shape = numpy_helper.to_array(stored[node.input[1]])
            free = np.concatenate([np.zeros_like(shape[:1]), shape[1:]])  # 0 stands for the extent of the input
            stored[node.input[1]].CopyFrom(numpy_helper.from_array(free, node.input[1]))
