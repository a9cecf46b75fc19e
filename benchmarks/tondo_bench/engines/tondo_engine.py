"""Tondo, called as a user calls it."""

from __future__ import annotations

import tondo
from tondo_bench.engines.task import Opened, Task


def config_of(task: Task) -> dict[str, object]:
    """Return the configuration for ``task``: the default pipeline, and the shapes if they are fixed."""
    shapes = {name: list(array.shape) for name, array in task.feed.items()} if task.static else {}
    return {"model": {"inputs": shapes}}


def open_model(task: Task) -> Opened:
    """Compile, or take from the cache."""
    model = tondo.compile(task.model, target=task.target, threads=task.threads, config=config_of(task))
    feed = dict(task.feed)
    return Opened(
        run=lambda: model.run(feed),
        answer=lambda: model.run(feed),
        version=tondo.__version__,
        note="from the cache" if model.from_cache else "compiled",
    )
