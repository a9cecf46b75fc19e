"""A loaded model: call it with arrays, get arrays.

A call checks the inputs, takes the plan of their shapes, a frame and an arena (see :mod:`tondo_runtime.memory`), writes
the data pointers and calls the entry function once. Calls from several threads run side by side, each with a frame and
an arena of its own. Inputs are read in place when row-major and aligned to their element size, and copied otherwise.
"""

from __future__ import annotations

import contextlib
import os
import time
import weakref
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Self

from tondo_runtime.abi import ClockNs, SafeCall, address_of
from tondo_runtime.artifact import Artifact
from tondo_runtime.binding import (
    arrange,
    give_objects,
    output_shape,
    take_input,
    take_objects,
    take_output,
)
from tondo_runtime.code import Code, CodeBytes, load_code
from tondo_runtime.errors import fail, suggest
from tondo_runtime.foreign import load_foreign
from tondo_runtime.frame import ALIGNMENT, ConstantTable, Frame, FrameParts, Plan, aligned_empty, raise_failure
from tondo_runtime.host import default_threads
from tondo_runtime.memory import Arena, CallMemory
from tondo_runtime.objects import scope
from tondo_runtime.pool import source_for
from tondo_runtime.profile import CallBuffer, Profile
from tondo_runtime.registry import get as get_function
from tondo_runtime.slots import Slots
from tondo_runtime.tensors import Array, data_of, is_array, is_plain

if TYPE_CHECKING:
    from tondo_runtime.manifest import Manifest, TensorSpec

CLOCK = "tondo_clock_ns"
MAX_THREADS = 1024


@ClockNs
def _python_clock() -> int:
    return time.perf_counter_ns()


class Session:
    """A compiled model, ready to be called from any thread.

    Example:
        >>> model = tondo_runtime.load("model.tondo", threads=2)
        >>> y = model(x)  # positional or by name; a tuple if there are several outputs
        >>> outputs = model.run({"x": x})  # {output name: array}
    """

    def __init__(
        self,
        manifest: Manifest,
        code: Code | Mapping[str, CodeBytes],
        weights: Mapping[str, Array],
        threads: int | None = None,
    ) -> None:
        """Make a session from parts in memory; :func:`load` makes one from a file.

        Args:
            manifest: signature and target of the model.
            code: the bytes of each member that ``manifest.code`` names, or loaded code, which the session then owns.
            weights: constant name to array; kept without a copy if aligned to 64 bytes.
            threads: threads that one call may use; default: what affinity and cgroup quota grant.

        Raises:
            RuntimeFailure: TND-A001 or TND-A004 if the code cannot be loaded, TND-R002 for a missing foreign
                function, TND-U005 for a thread count that is no positive number.
        """
        self.manifest = manifest
        self.threads = _thread_count(threads)
        self._profile: Profile | None = None
        own = load_foreign(manifest.code, code) if isinstance(code, Mapping) else {}
        packed = tuple(own.get(name) or get_function(name) for name in manifest.packed)
        constants = ConstantTable(manifest.constants, [_constant(spec.name, weights) for spec in manifest.constants])
        self._code: Code = load_code(manifest.code, code) if isinstance(code, Mapping) else code
        entry = self._code.address(manifest.entry_symbol)
        if entry is None:
            fail("TND-A001", f"the code does not define the entry function {manifest.entry_symbol}")
        self._entry = SafeCall(entry)
        self._source = source_for(self._code, self.threads)
        clock = self._code.address(CLOCK)
        self._clock = _python_clock if clock is None else ClockNs(clock)
        self._given = tuple(spec for spec in manifest.outputs if spec.slot is None)
        # Numbers alone (trips of loops) stay in the frame: nobody asks for them after the call.
        self._finds = manifest.slots > 0 or any(spec.slot is not None for spec in manifest.outputs)
        self._scoped = bool(manifest.packed) or any(spec.object for spec in (*manifest.inputs, *manifest.outputs))
        self._parts = FrameParts(
            manifest.inputs,
            self._given,
            constants,
            packed,
            self.threads,
            address_of(self._clock),
            len(manifest.numbers),
        )
        self._memory = CallMemory(manifest, self._parts, self._code.close)
        self._input_dtypes = tuple(spec.type.numpy for spec in manifest.inputs)
        self._output_dtypes = tuple(spec.type.numpy for spec in self._given)
        _sessions.add(self)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.manifest.name

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the inputs."""
        return self.manifest.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """Names, element types and shapes of the outputs."""
        return self.manifest.outputs

    def __call__(self, *args: object, **named: object) -> Array | tuple[Array, ...]:
        """Run the model.

        Args:
            *args: inputs in order, numpy arrays or DLPack objects in CPU memory.
            **named: the remaining inputs by name.

        Returns:
            The output array, or a tuple of them unless there is exactly one. An output of another kind is what
            :mod:`tondo_runtime.objects` says: an array of ``str`` objects, a list, None.

        Raises:
            RuntimeFailure: TND-U... for unsuitable inputs, TND-R... if the execution fails.
        """
        if named or len(args) != len(self._input_dtypes):
            args = tuple(arrange(self.manifest.inputs, args, named))
        results = self._execute(args, None, self._profile)
        return results[0] if len(results) == 1 else tuple(results)

    def run(
        self,
        inputs: Mapping[str, object],
        outputs: Mapping[str, object] | None = None,
        *,
        profile: Profile | None = None,
    ) -> dict[str, Array]:
        """Run the model on named inputs.

        Args:
            inputs: every input by name, numpy arrays or DLPack objects in CPU memory.
            outputs: arrays to write some or all outputs into, by name.
            profile: where to add the times of this call.

        Returns:
            Output name to array; bound outputs are the arrays given.

        Raises:
            RuntimeFailure: TND-U... for unsuitable inputs or outputs, TND-R... if the execution fails.
        """
        values = arrange(self.manifest.inputs, (), inputs)
        results = self._execute(values, self._bound(outputs), profile or self._profile)
        return {spec.name: array for spec, array in zip(self.manifest.outputs, results, strict=True)}

    @contextlib.contextmanager
    def profile(self) -> Generator[Profile]:
        """Record kernel times of all calls, from any thread, while the block runs.

        Example:
            >>> with model.profile() as profile:
            ...     model(x)
            >>> print(profile.format())
        """
        previous, self._profile = self._profile, Profile(self.manifest.kernels)
        try:
            yield self._profile
        finally:
            self._profile = previous

    def close(self) -> None:
        """Unload the code as soon as no call is in flight; later calls are refused."""
        self._memory.close()

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the session."""
        self.close()

    def __repr__(self) -> str:
        """Return the signature."""
        return f"<tondo_runtime.Session {self.name!r}, {len(self.inputs)} inputs, {len(self.outputs)} outputs>"

    def _execute(
        self, values: tuple[object, ...] | list[object], bound: list[object | None] | None, profile: Profile | None
    ) -> list[Array]:
        if not self._scoped:
            return self._execute_arrays(values, bound, profile)
        with scope():
            arrays = self._execute_arrays(take_objects(self.manifest.inputs, values), bound, profile)
            return give_objects(self.manifest.outputs, arrays, bound)

    def _execute_arrays(
        self, values: tuple[object, ...] | list[object], bound: list[object | None] | None, profile: Profile | None
    ) -> list[Array]:
        arrays = self._take_inputs(values)
        plan, frame, arena = self._memory.acquire(tuple([array.shape for array in arrays]))
        try:
            for slot, array in zip(frame.inputs, arrays, strict=True):
                slot.data = data_of(array)
            frame.workspace.data = arena.address
            if self._finds:
                return self._execute_finding(plan, frame, arena, arrays, bound, profile)
            results = self._take_outputs(plan, frame, arrays, bound)
            self._call(frame, profile)
        finally:
            self._memory.release(plan, frame, arena)
        return results

    def _execute_finding(
        self,
        plan: Plan,
        frame: Frame,
        arena: Arena,
        inputs: list[Array],
        bound: list[object | None] | None,
        profile: Profile | None,
    ) -> list[Array]:
        """Call code that finds out numbers; results whose shapes depend on them are taken from its slots."""
        if arena.slots is None:
            arena.slots = Slots(self.manifest.slots)
        frame.held.slots = arena.slots
        frame.context.slots = arena.slots.address
        wanted = bound or [None] * len(self.manifest.outputs)
        pairs = list(zip(self.manifest.outputs, wanted, strict=True))
        given = iter(self._take_outputs(plan, frame, inputs, [value for spec, value in pairs if spec.slot is None]))
        self._call(frame, profile)
        assert frame.numbers is not None
        names = (*(symbol.name for symbol in self.manifest.symbols), *self.manifest.numbers)
        values = dict(zip(names, (*plan.symbols, *frame.numbers.tolist()), strict=True))
        results: list[Array] = []
        for spec, value in pairs:
            if spec.slot is None:
                results.append(next(given))
                continue
            found = arena.slots.take(spec.slot, output_shape(spec, values), spec.type.numpy)
            if value is not None:
                target = take_output(spec, value, found.shape, [*inputs, *results])
                target[...] = found
                found = target
            results.append(found)
        frame.held.slots = None
        return results

    def _take_inputs(self, values: tuple[object, ...] | list[object]) -> list[Array]:
        arrays: list[Array] = []
        for index, (value, dtype) in enumerate(zip(values, self._input_dtypes, strict=True)):
            if is_array(value) and value.dtype is dtype and is_plain(value):
                arrays.append(value)
            else:
                arrays.append(take_input(self.manifest.inputs[index], value))
        return arrays

    def _take_outputs(
        self, plan: Plan, frame: Frame, inputs: list[Array], bound: list[object | None] | None
    ) -> list[Array]:
        results: list[Array] = []
        for index, slot in enumerate(frame.outputs):
            value = None if bound is None else bound[index]
            if value is None:
                array, slot.data = self._memory.result(
                    plan.output_shapes[index], self._output_dtypes[index], plan.output_bytes[index]
                )
            else:
                others = [*inputs, *results]
                array = take_output(self._given[index], value, plan.output_shapes[index], others)
                slot.data = array.ctypes.data
            results.append(array)
        return results

    def _call(self, frame: Frame, profile: Profile | None) -> None:
        pool = self._source.current()
        frame.context.pool = pool.handle
        frame.context.parallel_for = pool.parallel_for
        if profile is None:
            status = self._entry(frame.context_address, frame.args_address, frame.count, frame.result_address)
        else:
            status = self._call_profiled(frame, profile)
        # An exception counts even if the code that called the foreign function ignored its status.
        if status != 0 or frame.raised:
            raise_failure(self.name, frame, status)

    def _call_profiled(self, frame: Frame, profile: Profile) -> int:
        buffer = CallBuffer(profile.capacity)
        frame.context.profile = buffer.address
        begin = self._clock()
        status = self._entry(frame.context_address, frame.args_address, frame.count, frame.result_address)
        end = self._clock()
        frame.context.profile = None
        profile.add_call(buffer, begin, end)
        return status

    def _bound(self, outputs: Mapping[str, object] | None) -> list[object | None] | None:
        if not outputs:
            return None
        known = [spec.name for spec in self.manifest.outputs]
        for name in outputs:
            if name not in known:
                fail("TND-U001", f"the model has no output '{name}'", help=suggest(name, known))
        return [outputs.get(name) for name in known]

    def after_fork(self) -> None:
        """Calls of other threads do not exist in the child."""
        self._memory.after_fork()


def load(path: str | os.PathLike[str], threads: int | None = None) -> Session:
    """Load the artifact at ``path``.

    Args:
        path: a file that ``model.save`` or ``tondo compile`` wrote.
        threads: threads that one call may use; default: what affinity and cgroup quota grant.

    Raises:
        RuntimeFailure: TND-U006 not readable, TND-A001 damaged, TND-A002 other CPU, TND-A003 newer format,
            TND-A004 llvmlite needed, TND-R002 missing foreign function, TND-U005 invalid thread count.
    """
    artifact = Artifact.open(path)
    return Session(artifact.manifest, artifact.code, artifact.weights, threads)


def _thread_count(threads: object) -> int:
    if threads is None:
        return default_threads()
    if not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= MAX_THREADS:
        fail("TND-U005", f"threads is {threads!r}, it has to be a number from 1 to {MAX_THREADS}")
    return threads


def _constant(name: str, weights: Mapping[str, Array]) -> Array:
    if name not in weights:
        fail("TND-A001", f"the constant '{name}' has no weight")
    array = weights[name]
    if is_plain(array) and array.ctypes.data % ALIGNMENT == 0:
        return array
    copy, _ = aligned_empty(array.shape, array.dtype, array.nbytes)
    copy[...] = array
    return copy


_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for session in list(_sessions):
        session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
