"""The thread pool that all sessions of a process share.

The pool itself is native code that comes with an artifact (``tondo_pool_create``, ``tondo_pool_destroy``,
``tondo_pool_parallel_for``); the first loaded artifact of each pool version (``tondo_pool_version``) supplies it and
its code stays loaded until the process ends. Threads do not survive ``fork``: the child forgets the pool and makes
a new one at its first call. Code without a pool runs its parallel loops in the calling thread.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tondo_runtime.abi import ParallelBody, ParallelFor, PoolCreate, PoolDestroy, PoolVersion, address_of
from tondo_runtime.errors import fail
from tondo_runtime.host import default_threads

if TYPE_CHECKING:
    from tondo_runtime.code import Code

CREATE, DESTROY, PARALLEL_FOR, VERSION = (
    "tondo_pool_create",
    "tondo_pool_destroy",
    "tondo_pool_parallel_for",
    "tondo_pool_version",
)


@dataclass(frozen=True, slots=True)
class Pool:
    """What a context needs of a pool.

    Attributes:
        handle: first argument of ``parallel_for``.
        parallel_for: address of the function.
        capacity: how many threads, the caller included, one call can use.
    """

    handle: int
    parallel_for: int
    capacity: int


@ParallelFor
def _inline_parallel_for(
    _pool: int | None, body: int | None, closure: int | None, count: int, _grain: int, _threads: int
) -> int:
    return ParallelBody(body or 0)(closure, 0, count) if count > 0 else 0


class PoolSource:
    """Where sessions get their pool from; :meth:`current` is cheap enough for every call."""

    __slots__ = ("_create", "_destroy", "_lock", "_parallel_for", "_pool", "_wanted")

    def __init__(self, create: int, destroy: int, parallel_for: int) -> None:
        """Use the native functions at these addresses."""
        self._create = PoolCreate(create)
        self._destroy = PoolDestroy(destroy)
        self._parallel_for = parallel_for
        self._pool: Pool | None = None
        self._wanted = 0
        self._lock = threading.Lock()

    def reserve(self, threads: int) -> None:
        """Have every pool from now on serve at least ``threads`` threads per call."""
        with self._lock:
            self._wanted = max(self._wanted, threads)
            if self._pool is not None and self._pool.capacity < self._wanted:
                # Calls in flight may still use the small pool: it is left to sleep, not destroyed.
                self._pool = None

    def current(self) -> Pool:
        """Return the pool, made on first use.

        Raises:
            RuntimeFailure: TND-R003 if the threads cannot be made.
        """
        pool = self._pool
        return pool if pool is not None else self._make()

    def forget(self) -> None:
        """Drop the pool without touching its threads, which do not exist in a forked child."""
        self._pool = None
        self._lock = threading.Lock()

    def destroy(self) -> None:
        """Join the threads; no call may be in flight. The next call makes a new pool."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            self._destroy(pool.handle)

    def _make(self) -> Pool:
        with self._lock:
            if self._pool is None:
                capacity = max(self._wanted, 1)
                handle = self._create(capacity)
                if not handle:
                    fail("TND-R003", f"the pool of {capacity} threads cannot be made", help="use fewer threads")
                self._pool = Pool(handle, self._parallel_for, capacity)
            return self._pool


class InlineSource:
    """Stands in for code without a pool: loops run in the calling thread, through Python."""

    __slots__ = ()

    def reserve(self, threads: int) -> None:
        """Nothing to prepare for any number of ``threads``."""

    def current(self) -> Pool:
        """Return the pool of the calling thread alone."""
        return _INLINE


_INLINE = Pool(0, address_of(_inline_parallel_for), 1)
_INLINE_SOURCE = InlineSource()
_sources: dict[int, PoolSource] = {}


def source_for(code: Code, threads: int) -> PoolSource | InlineSource:
    """Return the process-wide source for ``code``, prepared for sessions of ``threads`` threads.

    The first code of each pool version becomes that source and is pinned.
    """
    addresses = [code.address(symbol) for symbol in (CREATE, DESTROY, PARALLEL_FOR)]
    create, destroy, parallel_for = addresses
    if create is None or destroy is None or parallel_for is None:
        return _INLINE_SOURCE
    version = _version(code)
    source = _sources.get(version)
    if source is None:
        code.pin()
        source = _sources.setdefault(version, PoolSource(create, destroy, parallel_for))
    source.reserve(max(threads, default_threads()))
    return source


def _version(code: Code) -> int:
    """``int32 tondo_pool_version(void)``; code without it has version 0."""
    address = code.address(VERSION)
    return 0 if address is None else PoolVersion(address)()


def _after_fork_in_child() -> None:
    for source in _sources.values():
        source.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
