"""Run lowered tensor functions on numpy arrays: for tests of other packages and for folding of constants.

    z, = run(function, [x, y], {"n": 1000})

compiles ``function`` for this machine, loads it and calls it. Output arrays are made when they are not given.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np

from tondo.diagnostics import Diagnostic, TondoError, fail
from tondo.ir import Binary, Buffer, Const, Expr, TensorFunction, Var
from tondo.target import Target
from tondo_llvm.emit import emit_function, function_symbol
from tondo_llvm.emit.arithmetic import fold_numbers
from tondo_llvm.pool import pool_ir
from tondo_llvm.targets import host_target, machine_spec
from tondo_llvm.toolchain import ObjectCode, Optimization, Source, compile_many
from tondo_runtime.abi import Context, PackedEntry, SetError, address_of
from tondo_runtime.code import ObjectEngine

Array: TypeAlias = np.ndarray
_ALIGNMENT = 64


def run(
    function: TensorFunction,
    arrays: Sequence[Array],
    scalars: Mapping[str, float] | Sequence[float] = (),
    target: Target | None = None,
    threads: int = 1,
    *,
    callees: Sequence[TensorFunction] = (),
) -> tuple[Array, ...]:
    """Compile ``function`` and call it once.

    Args:
        function: a lowered tensor function.
        arrays: its buffer parameters in order. Without the outputs at their end these are made, filled with zeros.
        scalars: its scalar parameters by name or in order; those that are dimensions of an array may be left out.
        target: what to compile for; this machine by default.
        threads: how many threads parallel loops use.
        callees: functions that it calls.

    Returns:
        The output arrays.

    Raises:
        TondoError: TND-B004 for a form that cannot be compiled, TND-R003 if the function reports an error.
    """
    with Loaded([function, *callees], target) as loaded:
        return loaded.run(function, arrays, scalars, threads)


class Loaded:
    """Tensor functions compiled and loaded into this process; a context manager that unloads them."""

    def __init__(
        self,
        functions: Sequence[TensorFunction],
        target: Target | None = None,
        *,
        packed: Mapping[str, tuple[int, int]] | None = None,
        optimization: Optimization = Optimization(),  # noqa: B008  frozen
    ) -> None:
        """Compile ``functions``; ``packed`` maps names of foreign functions to code address and handle."""
        self.target = target or host_target()
        by_name = {function.name: function for function in functions}
        entries = packed or {}
        positions = {name: place for place, name in enumerate(entries)}
        self.ir = {
            name: emit_function(function, self.target, by_name, {}, positions) for name, function in by_name.items()
        }
        sources = [Source(name, text) for name, text in self.ir.items()]
        objects = compile_many(sources, machine_spec(self.target), optimization, jobs=1)
        images = {f"{place}.o": code.data for place, code in enumerate([*objects, _pool(self.target.triple)])}
        self._engine = ObjectEngine(images)
        self._table = (PackedEntry * max(1, len(entries)))()
        for slot, (code, handle) in zip(self._table, entries.values(), strict=False):
            slot.safe_call, slot.handle = code, handle

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.close()

    def address(self, symbol: str) -> int:
        """Return the address of ``symbol``.

        Raises:
            KeyError: if there is no such symbol.
        """
        found = self._engine.address(symbol)
        if found is None:
            raise KeyError(symbol)
        return found

    def run(
        self,
        function: TensorFunction,
        arrays: Sequence[Array],
        scalars: Mapping[str, float] | Sequence[float] = (),
        threads: int = 1,
    ) -> tuple[Array, ...]:
        """Call ``function``; arguments and result as of :func:`run`."""
        values = bind_scalars(function, arrays, scalars)
        buffers = _complete(function, arrays, values)
        types: list[type] = [ctypes.c_void_p]
        arguments: list[object] = []
        for param in function.params:
            if isinstance(param, Var):
                types.append(ctypes.c_double if param.dtype.is_float else ctypes.c_int64)
                arguments.append(values[param.name])
            else:
                types.append(ctypes.c_void_p)
                arguments.append(buffers[param.name].ctypes.data)
        call = ctypes.CFUNCTYPE(ctypes.c_int32, *types)(self.address(function_symbol(function.name)))
        errors: list[tuple[str, str]] = []

        @SetError
        def set_error(context: int, kind: bytes, message: bytes) -> None:
            del context
            errors.append((kind.decode(), message.decode()))

        pool = self._pool_create(threads)
        try:
            context = self.context(threads, pool, address_of(set_error))
            status = call(ctypes.addressof(context), *arguments)
        finally:
            self._pool_destroy(pool)
        if status:
            found = errors or [("TND-R003", f"'{function.name}' returned {status}")]
            raise TondoError(*(Diagnostic(kind, message) for kind, message in found))
        return tuple(buffers[buffer.name] for buffer in function.output_buffers)

    def context(self, threads: int = 1, pool: int = 0, set_error: int = 0) -> Context:
        """Return a native context for a call by hand."""
        return Context(
            abi_version=1,
            num_threads=threads,
            parallel_for=self.address("tondo_pool_parallel_for"),
            pool=pool,
            packed=ctypes.addressof(self._table),
            set_error=set_error,
        )

    def _pool_create(self, threads: int) -> int:
        if threads == 1:
            return 0
        create = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_int32)(self.address("tondo_pool_create"))
        return create(threads) or 0

    def _pool_destroy(self, pool: int) -> None:
        if pool:
            ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.address("tondo_pool_destroy"))(pool)


@functools.cache
def _pool(triple: str) -> ObjectCode:
    machine = machine_spec(host_target())
    return compile_many([Source("pool", pool_ir(triple))], machine, jobs=1)[0]


def bind_scalars(
    function: TensorFunction, arrays: Sequence[Array], scalars: Mapping[str, float] | Sequence[float] = ()
) -> dict[str, float]:
    """Return the value of every scalar parameter, given or read off the shapes of ``arrays``.

    Raises:
        TondoError: TND-U005 for a value that is neither.
    """
    names = [var.name for var in function.scalars]
    values = dict(scalars) if isinstance(scalars, Mapping) else dict(zip(names, scalars, strict=False))
    for buffer, array in zip(function.buffers, arrays, strict=False):
        for extent, size in zip(buffer.shape, array.shape, strict=False):
            if isinstance(extent, Var):
                values.setdefault(extent.name, size)
    missing = [name for name in names if name not in values]
    if missing:
        fail("TND-U005", f"no value for the scalar parameters {', '.join(missing)} of '{function.name}'")
    return values


def evaluate_extent(expr: Expr, values: Mapping[str, float]) -> int:
    """Return the value of a dimension.

    Raises:
        TondoError: TND-U005 for an expression that dimensions do not use.
    """
    match expr:
        case Const():
            return int(expr.value)
        case Var() if expr.name in values:
            return int(values[expr.name])
        case Binary():
            result = fold_numbers(expr.op, evaluate_extent(expr.a, values), evaluate_extent(expr.b, values))
            if result is not None:
                return result
        case _:
            pass
    return fail("TND-U005", f"the dimension {expr!r} cannot be computed from the scalars")


def _complete(function: TensorFunction, arrays: Sequence[Array], values: Mapping[str, float]) -> dict[str, Array]:
    inputs, outputs = function.input_buffers, function.output_buffers
    if len(arrays) not in {len(inputs), len(inputs) + len(outputs)}:
        fail(
            "TND-U005",
            f"'{function.name}' takes {len(inputs)} arrays (or {len(inputs) + len(outputs)} with outputs), "
            f"not {len(arrays)}",
        )
    result: dict[str, Array] = {}
    for buffer, array in zip(function.buffers, arrays, strict=False):
        if array.dtype != buffer.dtype.numpy:
            fail("TND-U003", f"'{buffer.name}' takes {buffer.dtype}, not {array.dtype}")
        result[buffer.name] = array if buffer.strides is not None else _aligned(array, buffer)
    for buffer in outputs[max(0, len(arrays) - len(inputs)) :]:
        shape = tuple(evaluate_extent(extent, values) for extent in buffer.shape)
        result[buffer.name] = aligned_zeros(shape, buffer.dtype.numpy)
    return result


def _aligned(array: Array, buffer: Buffer) -> Array:
    """Return ``array`` itself if it is compact and aligned as promised, else (inputs only) a copy that is."""
    align = max(buffer.align, buffer.dtype.bytes)
    if array.flags.c_contiguous and array.ctypes.data % align == 0:
        return array
    copy = aligned_zeros(array.shape, array.dtype)
    copy[...] = array
    return copy


def aligned_zeros(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
    """Return zeros at an address that is a multiple of 64."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + _ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % _ALIGNMENT
    return raw[offset : offset + size].view(dtype).reshape(shape)
