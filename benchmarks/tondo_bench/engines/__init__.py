"""Adapters of engines, each imported only in the process that runs it.

Every module here has one function, ``open_model(task) -> Opened``. A worker may run in an environment that holds
nothing but numpy and its engine, so these modules import nothing else of this repository.
"""

from __future__ import annotations

from tondo_bench.engines.task import Opened, Task

ENGINES = ("tondo", "onnxruntime", "openvino", "inductor")
"""Known engines; the adapter of ``NAME`` is the module ``tondo_bench.engines.NAME_engine``."""

__all__ = ["ENGINES", "Opened", "Task"]
