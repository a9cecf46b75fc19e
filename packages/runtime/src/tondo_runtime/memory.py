"""What calls of a session take and give back: plans by input shapes, frames, arenas, memory of results.

A call takes an idle frame of the plan of its shapes and an idle arena, or gets new ones; a few of them, none larger
than what the remembered shapes need, wait for the next calls. The last call after :meth:`CallMemory.close` unloads the
code.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

from tondo_runtime.binding import make_plan
from tondo_runtime.dtypes import dtype_of
from tondo_runtime.errors import fail
from tondo_runtime.frame import Frame, aligned_empty
from tondo_runtime.results import SMALLEST, ResultMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from tondo_runtime.frame import FrameParts, Plan
    from tondo_runtime.manifest import Manifest
    from tondo_runtime.slots import Slots
    from tondo_runtime.tensors import Array

MAX_PLANS = 32
"""How many sets of input shapes a session remembers."""
MAX_IDLE = 8
"""How many arenas, and frames of one set of input shapes, a session keeps between calls: as many run at once."""

_BYTE = dtype_of("uint8").numpy

Shapes: TypeAlias = tuple[tuple[int, ...], ...]
"""The shapes of the inputs of a call."""


class Arena:
    """Scratch memory of one call in flight."""

    __slots__ = ("_raw", "address", "size", "slots")

    def __init__(self, size: int, slots: Slots | None) -> None:
        """Take ``size`` bytes; ``slots`` are those of the arena that this one replaces."""
        self._raw, self.address = aligned_empty((size,), _BYTE, size)
        self.size = size
        self.slots = slots


class CallMemory:
    """Plans, frames, arenas and results of one session; safe to use from several threads."""

    __slots__ = (
        "_closed", "_in_flight", "_largest", "_lock", "_manifest", "_parts", "_results", "_unload", "arenas", "plans",
    )  # fmt: skip

    def __init__(self, manifest: Manifest, parts: FrameParts, unload: Callable[[], None]) -> None:
        """Make memory for calls of the model of ``manifest``; ``unload`` is called once no call follows.

        Args:
            manifest: signature of the model.
            parts: what its frames share.
            unload: frees its code.
        """
        self._manifest = manifest
        self._parts = parts
        self._unload = unload
        self._lock = threading.Lock()
        self.plans: OrderedDict[Shapes, Plan] = OrderedDict()
        self.arenas: list[Arena] = []
        self._largest = 0
        self._results = ResultMemory()
        self._in_flight = 0
        self._closed = False

    def acquire(self, shapes: Shapes) -> tuple[Plan, Frame, Arena]:
        """Return the plan of ``shapes`` with a frame and an arena that no other call uses.

        Raises:
            RuntimeFailure: TND-R003 after :meth:`close` or without memory, TND-U002 for shapes that do not fit.
        """
        plan = self.plans.get(shapes)
        if plan is None:
            plan = make_plan(self._manifest, shapes)
        with self._lock:
            if self._closed:
                fail("TND-R003", f"the session of '{self._manifest.name}' is closed", help="load the model again")
            if shapes not in self.plans:
                self._remember(shapes, plan)
            plan = self.plans[shapes]
            self.plans.move_to_end(shapes)
            frame = plan.idle.pop() if plan.idle else None
            arena = self.arenas.pop() if self.arenas else None
            self._in_flight += 1
        try:
            if frame is None:
                frame = Frame(plan, self._parts)
            if arena is None or arena.size < plan.workspace:
                arena = Arena(plan.workspace, None if arena is None else arena.slots)
        except BaseException:
            self.release(plan, None, None)
            raise
        return plan, frame, arena

    def release(self, plan: Plan, frame: Frame | None, arena: Arena | None) -> None:
        """Take back what :meth:`acquire` returned."""
        with self._lock:
            self._in_flight -= 1
            unload = self._closed and self._in_flight == 0
            if not self._closed:
                if frame is not None and len(plan.idle) < MAX_IDLE:
                    plan.idle.append(frame)
                if arena is not None and arena.size <= self._largest and len(self.arenas) < MAX_IDLE:
                    self.arenas.append(arena)
        if unload:
            self._unload()

    def result(self, shape: tuple[int, ...], dtype: np.dtype[np.generic], size: int) -> tuple[Array, int]:
        """Return an uninitialised array of ``size`` bytes and its address.

        Raises:
            RuntimeFailure: TND-R003 if there is no memory for it.
        """
        if size < SMALLEST:
            return aligned_empty(shape, dtype, size)
        with self._lock:
            return self._results.take(shape, dtype, size)

    def close(self) -> None:
        """Unload the code as soon as no call is in flight; later calls are refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self.plans.clear()
            self.arenas.clear()
            self._results.close()
            idle = self._in_flight == 0
        if idle:
            self._unload()

    def after_fork(self) -> None:
        """Calls of other threads do not exist in the child: their lock and their count are void."""
        self._lock = threading.Lock()
        self._in_flight = 0

    def _remember(self, shapes: Shapes, plan: Plan) -> None:
        """Keep ``plan``; arenas that only forgotten plans need do not stay either."""
        self.plans[shapes] = plan
        if len(self.plans) > MAX_PLANS:
            self.plans.popitem(last=False)
        self._largest = max(known.workspace for known in self.plans.values())
        self._results.expect(max(sum(known.output_bytes) for known in self.plans.values()))
        self.arenas = [arena for arena in self.arenas if arena.size <= self._largest]
