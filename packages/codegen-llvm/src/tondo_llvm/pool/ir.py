"""Thread pool in LLVM IR: persistent workers, claimed chunks, no wait for a worker that has not begun.

Exported symbols (C view)::

    int32_t tondo_pool_version(void);
    void   *tondo_pool_create(int32_t max_threads);          // callers included; NULL only if memory is exhausted
    void    tondo_pool_destroy(void *pool);                  // the pool must be idle
    int32_t tondo_pool_parallel_for(void *pool, int32_t (*body)(void *, int64_t begin, int64_t end), void *closure,
                                    int64_t count, int64_t grain, int32_t num_threads);

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

from typing import TYPE_CHECKING, Final

from tondo_llvm.pool.platform import pool_platform

if TYPE_CHECKING:
    from tondo_llvm.pool.platform import PoolPlatform

POOL_VERSION: Final = 1
POOL_SYMBOLS: Final = (
    "tondo_pool_version",
    "tondo_pool_create",
    "tondo_pool_destroy",
    "tondo_pool_parallel_for",
)

_OPEN: Final = 1 << 31
_WAITING: Final = 1 << 30
_STOP: Final = 1 << 29
_SEAT: Final = 1 << 16
_SEATS_MASK: Final = 0x1FFF << 16
_ACTIVE_MASK: Final = 0xFFFF
_GENERATION: Final = 1 << 32
_MAX_WORKERS: Final = 1023
_SPIN_NANOSECONDS: Final = 40_000
_PAUSES_PER_CLOCK: Final = 32


def pool_ir(triple: str, *, spin_nanoseconds: int = _SPIN_NANOSECONDS) -> str:
    """Return the pool as the text of one LLVM module.

    Args:
        triple: LLVM target triple.
        spin_nanoseconds: how long a thread spins before it sleeps.

    Raises:
        TondoError: TND-B005 for a platform without an implementation.
    """
    platform = pool_platform(triple)
    parts = (
        f'target triple = "{triple}"\n',
        _DECLARATIONS,
        _helpers(platform),
        _claim(platform),
        _spin(platform, spin_nanoseconds),
        _worker(platform),
        _create(platform),
        _destroy(platform),
        _parallel_for(platform),
    )
    return "\n".join(parts)


def _offsets(platform: PoolPlatform) -> dict[str, int]:
    """Byte offsets inside the pool; words that different threads write lie on different cache lines."""
    line = platform.cache_line
    return {
        "state": 0,
        "next": line,
        "body": 2 * line,
        "closure": 2 * line + 8,
        "count": 2 * line + 16,
        "grain": 2 * line + 24,
        "chunks": 2 * line + 32,
        "result": 2 * line + 40,
        "busy": 3 * line,
        "sleepers": 4 * line,
        "workers": 5 * line,
        "process": 5 * line + 4,
        "threads": 6 * line,
    }


def _field(platform: PoolPlatform, name: str, register: str | None = None) -> str:
    return f"  %{register or 'p.' + name} = getelementptr inbounds i8, ptr %pool, i64 {_offsets(platform)[name]}"


_DECLARATIONS = """\
%timespec = type { i64, i64 }
@tondo_pool_thread_name = private unnamed_addr constant [13 x i8] c"tondo-worker\\00"

declare i64 @syscall(i64, ...) nounwind
declare i32 @clock_gettime(i32, ptr) nounwind
declare ptr @aligned_alloc(i64, i64) nounwind
declare void @free(ptr) nounwind
declare i32 @getpid() nounwind
declare i32 @prctl(i32, ...) nounwind
declare i32 @pthread_create(ptr, ptr, ptr, ptr) nounwind
declare i32 @pthread_join(i64, ptr) nounwind
declare i32 @pthread_sigmask(i32, ptr, ptr) nounwind
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""


def _helpers(platform: PoolPlatform) -> str:
    # FUTEX_WAIT | FUTEX_PRIVATE = 128, FUTEX_WAKE | FUTEX_PRIVATE = 129; every caller checks its condition again.
    return f"""\
define internal i64 @tondo_pool_now() nounwind {{
entry:
  %time = alloca %timespec, align 8
  %ignored = call i32 @clock_gettime(i32 1, ptr %time)
  %seconds = load i64, ptr %time, align 8
  %rest.ptr = getelementptr inbounds %timespec, ptr %time, i32 0, i32 1
  %rest = load i64, ptr %rest.ptr, align 8
  %scaled = mul i64 %seconds, 1000000000
  %now = add i64 %scaled, %rest
  ret i64 %now
}}

define internal void @tondo_pool_futex_wait(ptr %word, i32 %expected) nounwind {{
entry:
  %ignored = call i64 (i64, ...) @syscall(i64 {platform.sys_futex}, ptr %word, i32 128, i32 %expected, ptr null, \
ptr null, i32 0)
  ret void
}}

define internal void @tondo_pool_futex_wake(ptr %word, i32 %threads) nounwind {{
entry:
  %ignored = call i64 (i64, ...) @syscall(i64 {platform.sys_futex}, ptr %word, i32 129, i32 %threads, ptr null, \
ptr null, i32 0)
  ret void
}}
"""


def _claim(platform: PoolPlatform) -> str:
    """Run chunks until none is left. The counter counts chunks, not items, so it cannot overflow."""
    return f"""\
define internal void @tondo_pool_claim(ptr %pool) nounwind {{
entry:
{_field(platform, "next")}
{_field(platform, "body")}
{_field(platform, "closure")}
{_field(platform, "count")}
{_field(platform, "grain")}
{_field(platform, "chunks")}
{_field(platform, "result")}
  %body = load ptr, ptr %p.body, align 8
  %closure = load ptr, ptr %p.closure, align 8
  %count = load i64, ptr %p.count, align 8
  %grain = load i64, ptr %p.grain, align 8
  %chunks = load i64, ptr %p.chunks, align 8
  br label %claim
claim:
  %chunk = atomicrmw add ptr %p.next, i64 1 monotonic
  %some = icmp slt i64 %chunk, %chunks
  br i1 %some, label %run, label %done
run:
  %begin = mul i64 %chunk, %grain
  %left = sub i64 %count, %begin
  %whole = icmp slt i64 %grain, %left
  %size = select i1 %whole, i64 %grain, i64 %left
  %end = add i64 %begin, %size
  %status = call i32 %body(ptr %closure, i64 %begin, i64 %end)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %claim, label %failed
failed:
  %ignored = cmpxchg ptr %p.result, i32 0, i32 %status monotonic monotonic
  store atomic i64 %chunks, ptr %p.next monotonic, align 8
  br label %done
done:
  ret void
}}
"""


def _spin(platform: PoolPlatform, nanoseconds: int) -> str:
    """Spin until ``(state & mask) != value`` or the time is over; the answer is the state last seen."""
    return f"""\
define internal i64 @tondo_pool_spin(ptr %pool, i64 %mask, i64 %value) nounwind {{
entry:
{_field(platform, "state")}
  br label %turn
turn:
  %deadline = phi i64 [ 0, %entry ], [ %deadline.next, %again ]
  br label %look
look:
  %pauses = phi i64 [ 0, %turn ], [ %pauses.next, %pause ]
  %state = load atomic i64, ptr %p.state acquire, align 8
  %masked = and i64 %state, %mask
  %changed = icmp ne i64 %masked, %value
  br i1 %changed, label %done, label %pause
pause:
  {platform.pause}
  %pauses.next = add i64 %pauses, 1
  %more = icmp slt i64 %pauses.next, {_PAUSES_PER_CLOCK}
  br i1 %more, label %look, label %clock
clock:
  %now = call i64 @tondo_pool_now()
  %first = icmp eq i64 %deadline, 0
  %fresh = add i64 %now, {nanoseconds}
  %deadline.next = select i1 %first, i64 %fresh, i64 %deadline
  %late = icmp sgt i64 %now, %deadline.next
  br i1 %late, label %done, label %again
again:
  br label %turn
done:
  ret i64 %state
}}
"""


def _worker(platform: PoolPlatform) -> str:
    """A worker's life: look for a generation it has not seen, join if there is a seat, else remember it as seen."""
    generation = _offsets(platform)["state"] + 4
    return f"""\
define internal ptr @tondo_pool_worker(ptr %pool) nounwind {{
entry:
{_field(platform, "state")}
{_field(platform, "sleepers")}
  %p.generation = getelementptr inbounds i8, ptr %pool, i64 {generation}
  %named = call i32 (i32, ...) @prctl(i32 15, ptr @tondo_pool_thread_name, i64 0, i64 0, i64 0)
  br label %idle
idle:
  %seen = phi i64 [ 0, %entry ], [ %seen, %sleep ], [ %current, %missed ], [ %current, %left ], [ %current, %last ]
  %state.idle = call i64 @tondo_pool_spin(ptr %pool, i64 -{_GENERATION}, i64 %seen)
  %current.idle = and i64 %state.idle, -{_GENERATION}
  %same = icmp eq i64 %current.idle, %seen
  br i1 %same, label %sleep, label %look.first
sleep:
  %ignored.up = atomicrmw add ptr %p.sleepers, i32 1 seq_cst
  %seen.high = lshr i64 %seen, 32
  %seen.word = trunc i64 %seen.high to i32
  call void @tondo_pool_futex_wait(ptr %p.generation, i32 %seen.word)
  %ignored.down = atomicrmw sub ptr %p.sleepers, i32 1 seq_cst
  br label %idle
look.first:
  br label %look
look:
  %state = phi i64 [ %state.idle, %look.first ], [ %state.found, %join ]
  %current = and i64 %state, -{_GENERATION}
  %stop.bit = and i64 %state, {_STOP}
  %stop = icmp ne i64 %stop.bit, 0
  %open.bit = and i64 %state, {_OPEN}
  %closed = icmp eq i64 %open.bit, 0
  %seats = and i64 %state, {_SEATS_MASK}
  %full = icmp eq i64 %seats, 0
  %shut = or i1 %closed, %full
  br i1 %stop, label %exit, label %live
live:
  br i1 %shut, label %missed, label %join
missed:
  br label %idle
join:
  %joined.state = add i64 %state, {1 - _SEAT}
  %swap = cmpxchg ptr %p.state, i64 %state, i64 %joined.state acq_rel acquire
  %state.found = extractvalue {{ i64, i1 }} %swap, 0
  %joined = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %joined, label %work, label %look
work:
  call void @tondo_pool_claim(ptr %pool)
  %before = atomicrmw sub ptr %p.state, i64 1 acq_rel
  %interesting = and i64 %before, {_WAITING | _ACTIVE_MASK}
  %wanted = icmp eq i64 %interesting, {_WAITING | 1}
  br i1 %wanted, label %last, label %left
left:
  br label %idle
last:
  call void @tondo_pool_futex_wake(ptr %p.state, i32 1)
  br label %idle
exit:
  ret ptr null
}}
"""


def _create(platform: PoolPlatform) -> str:
    """Start the workers with every signal blocked, so that signals reach the program's own threads."""
    line = platform.cache_line
    return f"""\
define i32 @tondo_pool_version() nounwind {{
entry:
  ret i32 {POOL_VERSION}
}}

define ptr @tondo_pool_create(i32 %max_threads) nounwind {{
entry:
  %all.signals = alloca [16 x i64], align 8
  %old.signals = alloca [16 x i64], align 8
  %above = icmp sgt i32 %max_threads, {_MAX_WORKERS + 1}
  %capped = select i1 %above, i32 {_MAX_WORKERS + 1}, i32 %max_threads
  %positive = icmp sgt i32 %capped, 0
  %threads = select i1 %positive, i32 %capped, i32 1
  %wanted = sub i32 %threads, 1
  %wanted.wide = zext i32 %wanted to i64
  %handle.bytes = mul i64 %wanted.wide, 8
  %padded = add i64 %handle.bytes, {_offsets(platform)["threads"] + line - 1}
  %size = and i64 %padded, -{line}
  %pool = call ptr @aligned_alloc(i64 {line}, i64 %size)
  %none = icmp eq ptr %pool, null
  br i1 %none, label %fail, label %init
fail:
  ret ptr null
init:
{_field(platform, "workers")}
{_field(platform, "process")}
{_field(platform, "threads")}
  call void @llvm.memset.p0.i64(ptr align 8 %pool, i8 0, i64 %size, i1 false)
  %process = call i32 @getpid()
  store i32 %process, ptr %p.process, align 4
  call void @llvm.memset.p0.i64(ptr align 8 %all.signals, i8 -1, i64 128, i1 false)
  %ignored.block = call i32 @pthread_sigmask(i32 2, ptr %all.signals, ptr %old.signals)
  br label %next
next:
  %index = phi i64 [ 0, %init ], [ %index.next, %started ]
  %more = icmp slt i64 %index, %wanted.wide
  br i1 %more, label %start, label %done
start:
  %slot = getelementptr inbounds i64, ptr %p.threads, i64 %index
  %status = call i32 @pthread_create(ptr %slot, ptr null, ptr @tondo_pool_worker, ptr %pool)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %started, label %done
started:
  %index.next = add i64 %index, 1
  br label %next
done:
  %workers = trunc i64 %index to i32
  store i32 %workers, ptr %p.workers, align 4
  %ignored.restore = call i32 @pthread_sigmask(i32 2, ptr %old.signals, ptr null)
  ret ptr %pool
}}
"""


def _destroy(platform: PoolPlatform) -> str:
    generation = _offsets(platform)["state"] + 4
    return f"""\
define void @tondo_pool_destroy(ptr %pool) nounwind {{
entry:
  %none = icmp eq ptr %pool, null
  br i1 %none, label %out, label %check
check:
{_field(platform, "state")}
{_field(platform, "workers")}
{_field(platform, "process")}
{_field(platform, "threads")}
  %p.generation = getelementptr inbounds i8, ptr %pool, i64 {generation}
  %owner = load i32, ptr %p.process, align 4
  %process = call i32 @getpid()
  %ours = icmp eq i32 %owner, %process
  br i1 %ours, label %stop, label %release
stop:
  %old = load atomic i64, ptr %p.state monotonic, align 8
  %old.generation = and i64 %old, -{_GENERATION}
  %generation = add i64 %old.generation, {_GENERATION}
  %last.state = or i64 %generation, {_STOP}
  %ignored = atomicrmw xchg ptr %p.state, i64 %last.state seq_cst
  call void @tondo_pool_futex_wake(ptr %p.generation, i32 {2**31 - 1})
  %workers = load i32, ptr %p.workers, align 4
  %workers.wide = zext i32 %workers to i64
  br label %next
next:
  %index = phi i64 [ 0, %stop ], [ %index.next, %join ]
  %more = icmp slt i64 %index, %workers.wide
  br i1 %more, label %join, label %release
join:
  %slot = getelementptr inbounds i64, ptr %p.threads, i64 %index
  %thread = load i64, ptr %slot, align 8
  %ignored.join = call i32 @pthread_join(i64 %thread, ptr null)
  %index.next = add i64 %index, 1
  br label %next
release:
  call void @free(ptr %pool)
  br label %out
out:
  ret void
}}
"""


def _parallel_for(platform: PoolPlatform) -> str:
    generation = _offsets(platform)["state"] + 4
    return f"""\
define i32 @tondo_pool_parallel_for(ptr %pool, ptr %body, ptr %closure, i64 %count, i64 %grain.given, i32 %num_threads) \
nounwind {{
entry:
  %empty = icmp slt i64 %count, 1
  br i1 %empty, label %nothing, label %some
nothing:
  ret i32 0
some:
  %grain.positive = icmp sgt i64 %grain.given, 0
  %grain = select i1 %grain.positive, i64 %grain.given, i64 1
  %one.chunk = icmp sle i64 %count, %grain
  %one.thread = icmp eq i32 %num_threads, 1
  %no.pool = icmp eq ptr %pool, null
  %alone.1 = or i1 %one.chunk, %one.thread
  %alone = or i1 %alone.1, %no.pool
  br i1 %alone, label %inline, label %try
inline:
  %inline.status = call i32 %body(ptr %closure, i64 0, i64 %count)
  ret i32 %inline.status
try:
{_field(platform, "busy")}
{_field(platform, "workers")}
  %workers = load i32, ptr %p.workers, align 4
  %no.workers = icmp eq i32 %workers, 0
  br i1 %no.workers, label %inline, label %lock
lock:
  %swap = cmpxchg ptr %p.busy, i32 0, i32 1 acquire monotonic
  %locked = extractvalue {{ i32, i1 }} %swap, 1
  br i1 %locked, label %publish, label %inline
publish:
{_field(platform, "state")}
{_field(platform, "next")}
{_field(platform, "body")}
{_field(platform, "closure")}
{_field(platform, "count")}
{_field(platform, "grain")}
{_field(platform, "chunks")}
{_field(platform, "result")}
{_field(platform, "sleepers")}
  %p.generation = getelementptr inbounds i8, ptr %pool, i64 {generation}
  %count.less = sub i64 %count, 1
  %chunks.less = udiv i64 %count.less, %grain
  %chunks = add i64 %chunks.less, 1
  store ptr %body, ptr %p.body, align 8
  store ptr %closure, ptr %p.closure, align 8
  store i64 %count, ptr %p.count, align 8
  store i64 %grain, ptr %p.grain, align 8
  store i64 %chunks, ptr %p.chunks, align 8
  store atomic i32 0, ptr %p.result monotonic, align 4
  store atomic i64 0, ptr %p.next monotonic, align 8
  %limited = icmp sgt i32 %num_threads, 1
  %others = sub i32 %num_threads, 1
  %limit = select i1 %limited, i32 %others, i32 %workers
  %limit.above = icmp sgt i32 %limit, %workers
  %seats.32 = select i1 %limit.above, i32 %workers, i32 %limit
  %seats.64 = zext i32 %seats.32 to i64
  %few = icmp slt i64 %chunks.less, %seats.64
  %seats = select i1 %few, i64 %chunks.less, i64 %seats.64
  %old = load atomic i64, ptr %p.state monotonic, align 8
  %old.generation = and i64 %old, -{_GENERATION}
  %generation = add i64 %old.generation, {_GENERATION}
  %seat.bits = shl i64 %seats, 16
  %open = or i64 %seat.bits, {_OPEN}
  %state = or i64 %generation, %open
  %ignored.old = atomicrmw xchg ptr %p.state, i64 %state seq_cst
  %sleepers = load atomic i32, ptr %p.sleepers seq_cst, align 4
  %someone.sleeps = icmp sgt i32 %sleepers, 0
  br i1 %someone.sleeps, label %wake, label %work
wake:
  %seats.word = trunc i64 %seats to i32
  call void @tondo_pool_futex_wake(ptr %p.generation, i32 %seats.word)
  br label %work
work:
  call void @tondo_pool_claim(ptr %pool)
  %before.close = atomicrmw and ptr %p.state, i64 {~_OPEN} acq_rel
  %active = and i64 %before.close, {_ACTIVE_MASK}
  %quiet = icmp eq i64 %active, 0
  br i1 %quiet, label %finish, label %spin
spin:
  %active.now = phi i64 [ %active, %work ], [ %active.spun, %changed ]
  %spun = call i64 @tondo_pool_spin(ptr %pool, i64 {_ACTIVE_MASK}, i64 %active.now)
  %active.spun = and i64 %spun, {_ACTIVE_MASK}
  %quiet.spun = icmp eq i64 %active.spun, 0
  br i1 %quiet.spun, label %finish, label %check
check:
  %progress = icmp ne i64 %active.spun, %active.now
  br i1 %progress, label %changed, label %sleep
changed:
  br label %spin
sleep:
  %before.wait = atomicrmw or ptr %p.state, i64 {_WAITING} acq_rel
  %active.wait = and i64 %before.wait, {_ACTIVE_MASK}
  %quiet.wait = icmp eq i64 %active.wait, 0
  br i1 %quiet.wait, label %finish, label %doze
doze:
  %expected.state = or i64 %before.wait, {_WAITING}
  %expected = trunc i64 %expected.state to i32
  call void @tondo_pool_futex_wait(ptr %p.state, i32 %expected)
  br label %sleep
finish:
  %result = load atomic i32, ptr %p.result acquire, align 4
  store atomic i32 0, ptr %p.busy release, align 4
  ret i32 %result
}}
"""
