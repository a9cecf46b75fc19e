"""Thread pool in LLVM IR: persistent workers, claimed chunks, no wait for a worker that has not begun.

Exported symbols (C view)::

    int32_t tondo_pool_version(void);
    void   *tondo_pool_create(int32_t max_threads);          // callers included; NULL only if memory is exhausted
    void    tondo_pool_destroy(void *pool);                  // the pool must be idle
    int32_t tondo_pool_parallel_for(void *pool, int32_t (*body)(void *, int64_t begin, int64_t end), void *closure,
                                    int64_t count, int64_t grain, int32_t num_threads);
    int64_t tondo_clock_ns(void);                            // monotonic; profiles read it without Python

``parallel_for`` runs ``body`` on chunks ``[begin, end)`` of ``[0, count)`` of ``grain`` items. The first nonzero result
stops the claiming of further chunks and is returned. With one thread, one chunk, a null pool, from inside a body or
while another thread's region is running, the caller runs ``body(closure, 0, count)`` itself.

How it works. One 64-bit word holds the state of the current region::

    bits 63..32  generation: grows with every region; also the futex word on which idle workers sleep
    bit  31      open: workers may still join
    bit  30      waiting: the caller sleeps until the last worker has left
    bit  29      stop: the pool is being destroyed
    bits 28..16  seats: how many workers may still join
    bits 15..0   active: how many workers are inside

The caller writes the job into pool memory and publishes it with one exchange of that word. A worker joins with one
compare-and-swap that takes a seat and counts it active, so the job cannot be replaced while a worker reads it. Everyone
claims chunks from one atomic counter. When the caller finds no chunk left it closes the region: workers that have not
joined by then never will, and only the active ones, which are executing a chunk, are waited for. Every wait spins for
a bounded time and then sleeps in the kernel. A worker that goes to sleep announces itself in ``sleepers`` before it
waits on the generation; the caller changes the generation before it looks at ``sleepers``, so no wake-up is lost.

After ``fork`` the child has the pool but no workers: regions run in the caller, and ``destroy`` joins nobody.

Refused: platforms that :func:`tondo_llvm.pool.platform.pool_platform` does not know.
"""

from __future__ import annotations

from typing import Final

from tondo_llvm.pool.parts import CLOCK, DECLARATIONS, claim, helpers, spin
from tondo_llvm.pool.platform import pool_platform
from tondo_llvm.pool.region import parallel_for
from tondo_llvm.pool.workers import create, destroy, worker

POOL_SYMBOLS: Final = (
    "tondo_pool_version",
    "tondo_pool_create",
    "tondo_pool_destroy",
    "tondo_pool_parallel_for",
    CLOCK,
)

_SPIN_NANOSECONDS: Final = 40_000


def pool_ir(triple: str) -> str:
    """Return the pool as the text of one LLVM module for the target ``triple``.

    Raises:
        TondoError: TND-B005 for a platform without an implementation.
    """
    platform = pool_platform(triple)
    parts = (
        f'target triple = "{triple}"\n',
        DECLARATIONS,
        helpers(platform),
        claim(platform),
        spin(platform, _SPIN_NANOSECONDS),
        worker(platform),
        create(platform),
        destroy(platform),
        parallel_for(platform),
    )
    return "\n".join(parts)
