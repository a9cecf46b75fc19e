"""The parts of the glue that are the same for all models, as LLVM IR: memory and threads.

New tensor objects, scratch memory that waits for the next call, the pool of the library's threads, and what happens
when the library is closed: the threads end and the memory is freed.
"""

from __future__ import annotations

from typing import Final

from tondo_runtime.abi import TypeIndex
from tondo_tvm_ffi.aot.support import TENSOR

_MANAGED_BYTES: Final = 80
"""``DLManagedTensorVersioned``."""
_TENSOR_AT: Final = 32

MEMORY: Final = f"""\
@pool = internal global ptr null
@capacity = internal global i32 0
@arena = internal global ptr null
%leaving = type {{ i32, ptr, ptr }}
@llvm.global_dtors = appending global [1 x %leaving] [%leaving {{ i32 65535, ptr @leave, ptr null }}]

; Memory of at least so many bytes, aligned to 64; null after an error.
define internal ptr @memory(i64 %bytes) noinline {{
  %padded = add i64 %bytes, 127
  %whole = and i64 %padded, -64
  %raw = call ptr @aligned_alloc(i64 64, i64 %whole)
  %none = icmp eq ptr %raw, null
  br i1 %none, label %refuse, label %fine
fine:
  ret ptr %raw
refuse:
  %rc = call i32 @fail(ptr @kind.memory, ptr @text.memory, i64 %bytes, i64 0)
  ret ptr null
}}

define internal void @give.back(ptr %managed) {{
  call void @free(ptr %managed)
  ret void
}}

; A new tensor object: its head, shape, strides and data lie in one piece of memory; null after an error.
define internal ptr @new.tensor(i32 %dtype, i32 %rank, ptr %shape, i64 %bytes) noinline {{
entry:
  %out = alloca ptr
  store ptr null, ptr %out
  %wide = sext i32 %rank to i64
  %extents = mul i64 %wide, 16
  %head = add i64 %extents, {_MANAGED_BYTES + 63}
  %begin = and i64 %head, -64
  %total = add i64 %begin, %bytes
  %managed = call ptr @memory(i64 %total)
  %none = icmp eq ptr %managed, null
  br i1 %none, label %refuse, label %fill
fill:
  store i64 1, ptr %managed, align 8
  %manager.at = getelementptr i8, ptr %managed, i64 8
  store ptr null, ptr %manager.at, align 8
  %deleter.at = getelementptr i8, ptr %managed, i64 16
  store ptr @give.back, ptr %deleter.at, align 8
  %flags.at = getelementptr i8, ptr %managed, i64 24
  store i64 0, ptr %flags.at, align 8
  %t = getelementptr i8, ptr %managed, i64 {_TENSOR_AT}
  %data = getelementptr i8, ptr %managed, i64 %begin
  store ptr %data, ptr %t, align 8
  %device.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 1
  store i64 1, ptr %device.at, align 8
  %rank.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 3
  store i32 %rank, ptr %rank.at, align 8
  %dtype.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 4
  store i32 %dtype, ptr %dtype.at, align 4
  %own.shape = getelementptr i8, ptr %managed, i64 {_MANAGED_BYTES}
  %own.strides = getelementptr i64, ptr %own.shape, i64 %wide
  %shape.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 5
  store ptr %own.shape, ptr %shape.at, align 8
  %strides.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 6
  store ptr %own.strides, ptr %strides.at, align 8
  %offset.at = getelementptr {TENSOR}, ptr %t, i32 0, i32 7
  store i64 0, ptr %offset.at, align 8
  br label %next
next:
  %axis = phi i64 [ %wide, %fill ], [ %inner, %copy ]
  %step = phi i64 [ 1, %fill ], [ %step.next, %copy ]
  %more = icmp sgt i64 %axis, 0
  br i1 %more, label %copy, label %wrap
copy:
  %inner = sub i64 %axis, 1
  %from = getelementptr i64, ptr %shape, i64 %inner
  %extent = load i64, ptr %from, align 8
  %to = getelementptr i64, ptr %own.shape, i64 %inner
  store i64 %extent, ptr %to, align 8
  %stride = getelementptr i64, ptr %own.strides, i64 %inner
  store i64 %step, ptr %stride, align 8
  %step.next = mul i64 %step, %extent
  br label %next
wrap:
  %rc = call i32 @TVMFFITensorFromDLPackVersioned(ptr %managed, i32 0, i32 0, ptr %out)
  %failed = icmp ne i32 %rc, 0
  br i1 %failed, label %undo, label %done
undo:
  call void @free(ptr %managed)
  br label %refuse
done:
  %object = load ptr, ptr %out, align 8
  ret ptr %object
refuse:
  ret ptr null
}}

; Scratch memory: its size stands 64 bytes before it. One piece waits for the next call.
define internal ptr @scratch.take(i64 %bytes) {{
entry:
  %kept = atomicrmw xchg ptr @arena, ptr null acq_rel
  %none = icmp eq ptr %kept, null
  br i1 %none, label %make, label %look
look:
  %size.at = getelementptr i8, ptr %kept, i64 -64
  %size = load i64, ptr %size.at, align 8
  %enough = icmp sge i64 %size, %bytes
  br i1 %enough, label %use, label %drop
use:
  ret ptr %kept
drop:
  call void @free(ptr %size.at)
  br label %make
make:
  %with.head = add i64 %bytes, 64
  %raw = call ptr @memory(i64 %with.head)
  %failed = icmp eq ptr %raw, null
  br i1 %failed, label %refuse, label %fine
fine:
  store i64 %bytes, ptr %raw, align 8
  %usable = getelementptr i8, ptr %raw, i64 64
  ret ptr %usable
refuse:
  ret ptr null
}}
define internal void @scratch.keep(ptr %memory) {{
entry:
  %before = atomicrmw xchg ptr @arena, ptr %memory acq_rel
  %none = icmp eq ptr %before, null
  br i1 %none, label %done, label %drop
drop:
  %raw = getelementptr i8, ptr %before, i64 -64
  call void @free(ptr %raw)
  br label %done
done:
  ret void
}}

; The pool of this library's threads, made by the first call that uses more than one.
define internal ptr @threads.pool(i32 %count) {{
entry:
  %single = icmp sle i32 %count, 1
  br i1 %single, label %alone, label %look
alone:
  ret ptr null
look:
  %known = load atomic ptr, ptr @pool acquire, align 8
  %there = icmp ne ptr %known, null
  br i1 %there, label %use, label %make
use:
  ret ptr %known
make:
  %fresh = call ptr @tondo_pool_create(i32 %count)
  %made = icmp ne ptr %fresh, null
  br i1 %made, label %offer, label %alone
offer:
  %pair = cmpxchg ptr @pool, ptr null, ptr %fresh acq_rel acquire
  %won = extractvalue {{ ptr, i1 }} %pair, 1
  br i1 %won, label %mine, label %lost
mine:
  store i32 %count, ptr @capacity
  ret ptr %fresh
lost:
  call void @tondo_pool_destroy(ptr %fresh)
  %other = extractvalue {{ ptr, i1 }} %pair, 0
  ret ptr %other
}}

; void set_threads(int): how many threads a call uses from now on.
define i32 @__tvm_ffi_set_threads(ptr %handle, ptr %args, i32 %n, ptr %result) {{
entry:
  %capacity = load i32, ptr @capacity
  %made = icmp ne i32 %capacity, 0
  %most = select i1 %made, i32 %capacity, i32 1024
  %most.wide = sext i32 %most to i64
  %one = icmp eq i32 %n, 1
  br i1 %one, label %look, label %refuse
look:
  %tag = load i32, ptr %args, align 8
  %integer = icmp eq i32 %tag, {int(TypeIndex.INT)}
  %at = getelementptr i8, ptr %args, i64 8
  %wanted = load i64, ptr %at, align 8
  %low = icmp sge i64 %wanted, 1
  %high = icmp sle i64 %wanted, %most.wide
  %within = and i1 %low, %high
  %good = and i1 %integer, %within
  br i1 %good, label %set, label %refuse
set:
  %count = trunc i64 %wanted to i32
  store i32 %count, ptr @threads
  store %any zeroinitializer, ptr %result
  ret i32 0
refuse:
  %rc = call i32 @fail(ptr @kind.value, ptr @text.threads, i64 %most.wide, i64 0)
  ret i32 -1
}}

define internal void @leave() {{
entry:
  %pool = atomicrmw xchg ptr @pool, ptr null acq_rel
  %none = icmp eq ptr %pool, null
  br i1 %none, label %memory, label %stop
stop:
  call void @tondo_pool_destroy(ptr %pool)
  br label %memory
memory:
  call void @scratch.keep(ptr null)
  ret void
}}
"""
