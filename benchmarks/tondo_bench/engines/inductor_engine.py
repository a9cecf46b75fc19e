"""PyTorch's Inductor with freezing, on the module that the ONNX file was exported from.

Such modules come from a Python file of the user: it holds a mapping ``MODELS`` from the name of a case to a function
that returns a mapping with ``module`` (a ``torch.nn.Module`` with the same weights as the ONNX file) and ``args`` (an
example of its arguments, tuples and lists of tensors in the order of the ONNX inputs).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import torch
import torch._inductor.config as inductor

from tondo_bench.engines.task import Array, Opened, Task


def open_model(task: Task) -> Opened:
    """Compile the module and run it once, which is when Inductor generates code."""
    torch.set_num_threads(task.threads)
    torch.set_num_interop_threads(1)
    inductor.freezing = True
    built = _built(task)
    torch.set_num_threads(task.threads)  # what builds a model may have changed it
    module = built["module"].eval()
    arrays = iter([torch.from_numpy(array.copy()) for array in task.feed.values()])
    arguments = _filled(built["args"], arrays)
    compiled = torch.compile(module, dynamic=not task.static)
    with torch.no_grad():
        compiled(*arguments)

    def run() -> object:
        with torch.no_grad():
            return compiled(*arguments)

    def answer() -> dict[str, Array]:
        return {str(place): tensor.numpy() for place, tensor in enumerate(_flat(run()))}

    return Opened(run, answer, torch.__version__)


def _built(task: Task) -> dict:
    if task.torch is None:
        raise LookupError("it compiles torch modules, not ONNX files: name a file that holds them with --torch")
    spec = importlib.util.spec_from_file_location("torch_models", Path(task.torch))
    if spec is None or spec.loader is None:
        raise LookupError(f"{task.torch} is not a Python file")
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    if task.name not in models.MODELS:
        raise LookupError(f"{Path(task.torch).name} does not hold '{task.name}'")
    return models.MODELS[task.name]()


def _filled(template: object, tensors: Iterator[torch.Tensor]) -> object:
    """``template`` with its tensors replaced in order."""
    if isinstance(template, torch.Tensor):
        return next(tensors)
    return type(template)(_filled(item, tensors) for item in template)


def _flat(value: object) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    else:
        for item in value:
            yield from _flat(item)
