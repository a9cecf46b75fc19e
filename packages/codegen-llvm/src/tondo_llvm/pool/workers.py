"""The workers: their life, their start and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tondo_llvm.pool.layout import (
    ACTIVE_MASK,
    GENERATION,
    MAX_WORKERS,
    OPEN,
    SEAT,
    SEATS_MASK,
    STOP,
    WAITING,
    field,
    offsets,
)

if TYPE_CHECKING:
    from tondo_llvm.pool.platform import PoolPlatform

POOL_VERSION: Final = 1


def worker(platform: PoolPlatform) -> str:
    """A worker's life: look for a generation it has not seen, join if there is a seat, else remember it as seen."""
    generation = offsets(platform)["state"] + 4
    return f"""\
define internal ptr @tondo_pool_worker(ptr %pool) nounwind {{
entry:
{field(platform, "state")}
{field(platform, "sleepers")}
  %p.generation = getelementptr inbounds i8, ptr %pool, i64 {generation}
  %named = call i32 (i32, ...) @prctl(i32 15, ptr @tondo_pool_thread_name, i64 0, i64 0, i64 0)
  br label %idle
idle:
  %seen = phi i64 [ 0, %entry ], [ %seen, %sleep ], [ %current, %missed ], [ %current, %left ], [ %current, %last ]
  %state.idle = call i64 @tondo_pool_spin(ptr %pool, i64 -{GENERATION}, i64 %seen)
  %current.idle = and i64 %state.idle, -{GENERATION}
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
  %current = and i64 %state, -{GENERATION}
  %stop.bit = and i64 %state, {STOP}
  %stop = icmp ne i64 %stop.bit, 0
  %open.bit = and i64 %state, {OPEN}
  %closed = icmp eq i64 %open.bit, 0
  %seats = and i64 %state, {SEATS_MASK}
  %full = icmp eq i64 %seats, 0
  %shut = or i1 %closed, %full
  br i1 %stop, label %exit, label %live
live:
  br i1 %shut, label %missed, label %join
missed:
  br label %idle
join:
  %joined.state = add i64 %state, {1 - SEAT}
  %swap = cmpxchg ptr %p.state, i64 %state, i64 %joined.state acq_rel acquire
  %state.found = extractvalue {{ i64, i1 }} %swap, 0
  %joined = extractvalue {{ i64, i1 }} %swap, 1
  br i1 %joined, label %work, label %look
work:
  call void @tondo_pool_claim(ptr %pool)
  %before = atomicrmw sub ptr %p.state, i64 1 acq_rel
  %interesting = and i64 %before, {WAITING | ACTIVE_MASK}
  %wanted = icmp eq i64 %interesting, {WAITING | 1}
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


def create(platform: PoolPlatform) -> str:
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
  %above = icmp sgt i32 %max_threads, {MAX_WORKERS + 1}
  %capped = select i1 %above, i32 {MAX_WORKERS + 1}, i32 %max_threads
  %positive = icmp sgt i32 %capped, 0
  %threads = select i1 %positive, i32 %capped, i32 1
  %wanted = sub i32 %threads, 1
  %wanted.wide = zext i32 %wanted to i64
  %handle.bytes = mul i64 %wanted.wide, 8
  %padded = add i64 %handle.bytes, {offsets(platform)["threads"] + line - 1}
  %size = and i64 %padded, -{line}
  %pool = call ptr @aligned_alloc(i64 {line}, i64 %size)
  %none = icmp eq ptr %pool, null
  br i1 %none, label %fail, label %init
fail:
  ret ptr null
init:
{field(platform, "workers")}
{field(platform, "process")}
{field(platform, "threads")}
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


def destroy(platform: PoolPlatform) -> str:
    """Stop and join the workers, unless they belong to the parent process, and free the memory."""
    generation = offsets(platform)["state"] + 4
    return f"""\
define void @tondo_pool_destroy(ptr %pool) nounwind {{
entry:
  %none = icmp eq ptr %pool, null
  br i1 %none, label %out, label %check
check:
{field(platform, "state")}
{field(platform, "workers")}
{field(platform, "process")}
{field(platform, "threads")}
  %p.generation = getelementptr inbounds i8, ptr %pool, i64 {generation}
  %owner = load i32, ptr %p.process, align 4
  %process = call i32 @getpid()
  %ours = icmp eq i32 %owner, %process
  br i1 %ours, label %stop, label %release
stop:
  %old = load atomic i64, ptr %p.state monotonic, align 8
  %old.generation = and i64 %old, -{GENERATION}
  %generation = add i64 %old.generation, {GENERATION}
  %last.state = or i64 %generation, {STOP}
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
