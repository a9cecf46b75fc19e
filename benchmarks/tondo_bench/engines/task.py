"""What an engine is asked to do and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Task:
    """A model to open.

    Attributes:
        name: of the case, such as ``bert_base``.
        model: path of the ONNX file.
        feed: input name to array; the sizes that are measured.
        threads: how many threads one call may use.
        static: whether the engine may rely on the shapes of ``feed``; else it gets the model as it was exported.
        target: Tondo's target; other engines do not have one.
        torch: Python file with the model as a ``torch.nn.Module``; for engines that do not read ONNX.
    """

    name: str
    model: str
    feed: Mapping[str, Array]
    threads: int
    static: bool = True
    target: str | None = None
    torch: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that is ready to run.

    Attributes:
        run: one call, nothing else: inputs in memory, outputs made by the engine. This is what is timed.
        answer: one call whose outputs are returned, by name.
        version: of the engine.
        note: what a reader of the figures should know.
    """

    run: Callable[[], object]
    answer: Callable[[], Mapping[str, Array]]
    version: str
    note: str = ""
