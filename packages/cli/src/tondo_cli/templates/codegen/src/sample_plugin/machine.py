"""The stack machine, and the loader through which the runtime finds it.

An artifact holds code of the kind ``sample_plugin``; the runtime asks the entry point of that name in the group
``tondo_runtime.loaders``. This module needs numpy and the runtime only, so it can be installed without the compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

import numpy as np

from sample_plugin.code import OPERANDS, Instruction, decode
from tondo_runtime.errors import RuntimeFailure

_PERFORM: Final[Mapping[str, np.ufunc]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
}


def load(name: str, data: memoryview) -> Mapping[str, Callable[..., object]]:
    """Return the kernel in ``data`` under the name that compiled code calls.

    Raises:
        RuntimeFailure: TND-A001 for code that is damaged.
    """
    try:
        program = decode(bytes(data))
    except ValueError as error:
        raise RuntimeFailure("TND-A001", f"{name} is damaged: {error}") from error
    kernel = PurePosixPath(name).name.removeprefix("sample_plugin-").removesuffix(".sample_plugin")

    def call(*arguments: object) -> None:
        arrays = [array for array in arguments if isinstance(array, np.ndarray)]
        arrays[-1][...] = run(program, arrays[:-1])

    return {f"sample_plugin.{kernel}": call}


def run(program: Sequence[Instruction], arrays: Sequence[np.ndarray]) -> np.ndarray | np.float32:
    """Return what ``program`` computes from ``arrays``."""
    stack: list[np.ndarray | np.float32] = []
    for step in program:
        if step.opcode == "input":
            stack.append(arrays[int(step.operand)])
        elif step.opcode == "const":
            stack.append(np.float32(step.operand))
        else:
            count = OPERANDS[step.opcode]
            values = stack[-count:]
            del stack[-count:]
            stack.append(_PERFORM[step.opcode](*values))
    return stack.pop()
