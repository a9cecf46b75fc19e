"""onnxruntime with its CPU provider, all graph optimisations (its default)."""

from __future__ import annotations

import onnx
import onnxruntime

from tondo_bench.engines.task import Opened, Task


def open_model(task: Task) -> Opened:
    """Make a session; with static shapes, the symbolic dimensions are given as overrides."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    options.inter_op_num_threads = 1
    if task.static:
        for dimension, size in _sizes(task).items():
            options.add_free_dimension_override_by_name(dimension, size)
    session = onnxruntime.InferenceSession(task.model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feed = dict(task.feed)
    return Opened(
        run=lambda: session.run(None, feed),
        answer=lambda: dict(zip(names, session.run(None, feed), strict=True)),
        version=onnxruntime.__version__,
    )


def _sizes(task: Task) -> dict[str, int]:
    graph = onnx.load(task.model, load_external_data=False).graph
    return {
        dim.dim_param: size
        for value in graph.input
        if value.name in task.feed
        for dim, size in zip(value.type.tensor_type.shape.dim, task.feed[value.name].shape, strict=True)
        if dim.dim_param
    }
