"""The caller's side of a parallel region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tondo_llvm.pool.layout import ACTIVE_MASK, GENERATION, OPEN, WAITING, field, offsets

if TYPE_CHECKING:
    from tondo_llvm.pool.platform import PoolPlatform


def parallel_for(platform: PoolPlatform) -> str:
    """Publish a region, take part in it, close it, wait for those inside."""
    generation = offsets(platform)["state"] + 4
    return f"""\
define i32 @tondo_pool_parallel_for(ptr %pool, ptr %body, ptr %closure, i64 %count, i64 %grain.given, i32 %num_threads)
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
{field(platform, "busy")}
{field(platform, "workers")}
  %workers = load i32, ptr %p.workers, align 4
  %no.workers = icmp eq i32 %workers, 0
  br i1 %no.workers, label %inline, label %lock
lock:
  %swap = cmpxchg ptr %p.busy, i32 0, i32 1 acquire monotonic
  %locked = extractvalue {{ i32, i1 }} %swap, 1
  br i1 %locked, label %publish, label %inline
publish:
{field(platform, "state")}
{field(platform, "next")}
{field(platform, "body")}
{field(platform, "closure")}
{field(platform, "count")}
{field(platform, "grain")}
{field(platform, "chunks")}
{field(platform, "result")}
{field(platform, "sleepers")}
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
  %old.generation = and i64 %old, -{GENERATION}
  %generation = add i64 %old.generation, {GENERATION}
  %seat.bits = shl i64 %seats, 16
  %open = or i64 %seat.bits, {OPEN}
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
  %before.close = atomicrmw and ptr %p.state, i64 {~OPEN} acq_rel
  %active = and i64 %before.close, {ACTIVE_MASK}
  %quiet = icmp eq i64 %active, 0
  br i1 %quiet, label %finish, label %spin
spin:
  %active.now = phi i64 [ %active, %work ], [ %active.spun, %changed ]
  %spun = call i64 @tondo_pool_spin(ptr %pool, i64 {ACTIVE_MASK}, i64 %active.now)
  %active.spun = and i64 %spun, {ACTIVE_MASK}
  %quiet.spun = icmp eq i64 %active.spun, 0
  br i1 %quiet.spun, label %finish, label %check
check:
  %progress = icmp ne i64 %active.spun, %active.now
  br i1 %progress, label %changed, label %sleep
changed:
  br label %spin
sleep:
  %before.wait = atomicrmw or ptr %p.state, i64 {WAITING} acq_rel
  %active.wait = and i64 %before.wait, {ACTIVE_MASK}
  %quiet.wait = icmp eq i64 %active.wait, 0
  br i1 %quiet.wait, label %finish, label %doze
doze:
  %expected.state = or i64 %before.wait, {WAITING}
  %expected = trunc i64 %expected.state to i32
  call void @tondo_pool_futex_wait(ptr %p.state, i32 %expected)
  br label %sleep
finish:
  %result = load atomic i32, ptr %p.result acquire, align 4
  store atomic i32 0, ptr %p.busy release, align 4
  ret i32 %result
}}
"""
