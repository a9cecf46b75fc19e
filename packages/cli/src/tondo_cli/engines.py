"""Other engines that ``tondo bench --against`` compares with, each imported only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tondo.diagnostics import fail, suggest
from tondo_cli.inputs import Array

if TYPE_CHECKING:
    from types import ModuleType

Run = Callable[[], Mapping[str, Array]]


def open_engine(name: str, model: Path, inputs: Mapping[str, Array], threads: int | None) -> Run:
    """Return a call of the engine ``name`` that runs ``model`` on ``inputs``.

    Raises:
        TondoError: TND-U005 for an engine that is unknown, is not installed, or refuses the model.
    """
    if name not in ENGINES:
        notes = (f"engines: {', '.join(ENGINES)}",)
        fail("TND-U005", f"unknown engine '{name}'", notes=notes, help=suggest(name, ENGINES))
    return ENGINES[name](model, inputs, threads)


def _onnxruntime(model: Path, inputs: Mapping[str, Array], threads: int | None) -> Run:
    module = _imported("onnxruntime")
    options = module.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    try:
        session = module.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  the engine has an exception class per status, without a common base
        fail("TND-U005", f"onnxruntime does not run {model}", notes=(str(error),))
    names = [output.name for output in session.get_outputs()]
    feed = dict(inputs)
    return lambda: dict(zip(names, session.run(names, feed), strict=True))


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        fail("TND-U005", f"{name} is not installed", help=f"pip install {name}")


ENGINES: Mapping[str, Callable[[Path, Mapping[str, Array], int | None], Run]] = {"onnxruntime": _onnxruntime}
