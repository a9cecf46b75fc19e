"""OpenVINO on the CPU in float32, set for the latency of one request."""

from __future__ import annotations

import openvino

from tondo_bench.engines.task import Opened, Task


def open_model(task: Task) -> Opened:
    """Compile for one stream. Without the precision hint it would use bfloat16 where the processor has it."""
    core = openvino.Core()
    model = core.read_model(task.model)
    if task.static:
        model.reshape({name: list(array.shape) for name, array in task.feed.items()})
    settings = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": task.threads,
        # The process is pinned already; the engine must not look for processors of its own.
        "ENABLE_CPU_PINNING": False,
    }
    compiled = core.compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    feed = dict(task.feed)
    names = [port.get_any_name() for port in compiled.outputs]

    def answer() -> dict[str, object]:
        result = request.infer(feed)
        return {name: result[port].copy() for name, port in zip(names, compiled.outputs, strict=True)}

    return Opened(
        run=lambda: request.infer(feed, share_inputs=True, share_outputs=True),
        answer=answer,
        version=openvino.__version__.partition("-")[0],
    )
