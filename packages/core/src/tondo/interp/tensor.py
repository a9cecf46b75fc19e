"""Run a tensor function on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tondo.diagnostics import fail
from tondo.interp.expressions import compile_expr
from tondo.interp.frame import Frame
from tondo.interp.statements import program
from tondo.interp.strided import spread
from tondo.interp.values import poisoned
from tondo.ir import Buffer, Expr, IRModule, TensorFunction, Var


def run_tensor_function(
    function: TensorFunction,
    inputs: Sequence[np.ndarray],
    outputs: Sequence[np.ndarray] | None = None,
    scalars: Mapping[str, int | float] | None = None,
    *,
    module: IRModule | None = None,
) -> list[np.ndarray]:
    """Run ``function`` and return its outputs.

    Args:
        function: at any stage, from blocks to flat vector loops.
        inputs: one array per input buffer, of its dtype and shape.
        outputs: memory of the output buffers, written in place; None allocates it, poisoned.
        scalars: scalar parameters by name; dimensions that stand alone in a shape are taken from the arrays.
        module: where invoked functions are found.

    Returns:
        The output arrays.

    Raises:
        TondoError: TND-U002, TND-U003, TND-U004 for arguments that do not fit, TND-R003 if execution fails (an
            access out of bounds, a failed assertion).
    """
    frame = Frame(function.name, module)
    frame.values.update(scalars or {})
    buffers, given = function.input_buffers, [np.asarray(array) for array in inputs]
    if len(given) != len(buffers):
        fail("TND-U004", f"'{function.name}' takes {len(buffers)} input arrays, {len(given)} were given")
    pairs = list(zip(buffers, given, strict=True))
    if outputs is not None:
        if len(outputs) != function.outputs:
            fail("TND-U004", f"'{function.name}' has {function.outputs} outputs, memory for {len(outputs)} was given")
        pairs.extend(zip(function.output_buffers, outputs, strict=True))
    for buffer, array in pairs:
        _bind_dims(frame, buffer, array)
    missing = [var.name for var in function.scalars if var.name not in frame.values]
    if missing:
        fail("TND-U004", f"'{function.name}' needs a value for {', '.join(missing)}")
    if outputs is None:
        fresh = [poisoned([_dim(frame, dim) for dim in buf.shape], buf.dtype) for buf in function.output_buffers]
        pairs.extend(zip(function.output_buffers, fresh, strict=True))
    for buffer, array in pairs:
        _check(frame, buffer, array)
        apart = _steps(frame, buffer)
        frame.buffers[buffer.name] = array if apart is None else spread(array, apart, buffer.dtype)
    with np.errstate(all="ignore"):
        program(function)(frame)
    results = pairs[len(buffers) :]
    for buffer, array in results:
        if buffer.strides is not None:
            array[...] = frame.buffers[buffer.name]
    return [array for _, array in results]


def _steps(frame: Frame, buffer: Buffer) -> tuple[int, ...] | None:
    return None if buffer.strides is None else tuple(_dim(frame, step) for step in buffer.strides)


def _dim(frame: Frame, dim: Expr) -> int:
    return int(compile_expr(dim)(frame))


def _bind_dims(frame: Frame, buffer: Buffer, array: np.ndarray) -> None:
    if array.ndim != buffer.rank:
        fail("TND-U002", f"{frame.function}: '{buffer.name}' has {buffer.rank} dimensions, the array {array.ndim}")
    for dim, extent in zip(buffer.shape, array.shape, strict=True):
        if isinstance(dim, Var):
            frame.values.setdefault(dim.name, extent)


def _check(frame: Frame, buffer: Buffer, array: np.ndarray) -> None:
    shape = tuple(_dim(frame, dim) for dim in buffer.shape)
    if shape != array.shape:
        fail("TND-U002", f"{frame.function}: '{buffer.name}' has shape {shape}, the array {array.shape}")
    if array.dtype != buffer.dtype.numpy:
        fail("TND-U003", f"{frame.function}: '{buffer.name}' has dtype {buffer.dtype}, the array {array.dtype}")
