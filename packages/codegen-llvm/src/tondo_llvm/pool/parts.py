"""Parts that callers and workers share: clock, futex, the claiming of chunks, the bounded spin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tondo_llvm.pool.layout import field

if TYPE_CHECKING:
    from tondo_llvm.pool.platform import PoolPlatform

PAUSES_PER_CLOCK: Final = 32
CLOCK: Final = "tondo_clock_ns"

DECLARATIONS: Final = """\
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


def helpers(platform: PoolPlatform) -> str:
    """Clock and futex."""
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

define i64 @{CLOCK}() nounwind {{
entry:
  %now = call i64 @tondo_pool_now()
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


def claim(platform: PoolPlatform) -> str:
    """Run chunks until none is left. The counter counts chunks, not items, so it cannot overflow."""
    return f"""\
define internal void @tondo_pool_claim(ptr %pool) nounwind {{
entry:
{field(platform, "next")}
{field(platform, "body")}
{field(platform, "closure")}
{field(platform, "count")}
{field(platform, "grain")}
{field(platform, "chunks")}
{field(platform, "result")}
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


def spin(platform: PoolPlatform, nanoseconds: int) -> str:
    """Spin until ``(state & mask) != value`` or the time is over; the answer is the state last seen."""
    return f"""\
define internal i64 @tondo_pool_spin(ptr %pool, i64 %mask, i64 %value) nounwind {{
entry:
{field(platform, "state")}
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
  %more = icmp slt i64 %pauses.next, {PAUSES_PER_CLOCK}
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
