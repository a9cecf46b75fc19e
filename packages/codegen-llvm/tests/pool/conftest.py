"""The pool, compiled together with test bodies written in LLVM IR and loaded into this process."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import llvmlite.binding as llvm
import pytest

from tondo_llvm.pool import pool_ir
from tondo_llvm.toolchain import Source, compile_many, host_machine

BODY = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)

_BODIES = """
declare i32 @tondo_pool_parallel_for(ptr, ptr, ptr, i64, i64, i32)

; adds one to int32 closure[begin:end] without atomics: a chunk that runs twice or never shows
define i32 @count_body(ptr %closure, i64 %begin, i64 %end) {
entry:
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %j, %loop ]
  %p = getelementptr i32, ptr %closure, i64 %i
  %v = load i32, ptr %p
  %w = add i32 %v, 1
  store i32 %w, ptr %p
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %end
  br i1 %more, label %loop, label %done
done:
  ret i32 0
}

; spins about `end - begin` thousand steps
define i32 @slow_body(ptr %closure, i64 %begin, i64 %end) {
entry:
  %items = sub i64 %end, %begin
  %steps = mul i64 %items, 1000
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %j = add i64 %i, 1
  store volatile i64 %j, ptr %closure
  %more = icmp slt i64 %j, %steps
  br i1 %more, label %loop, label %done
done:
  ret i32 0
}

; closure = { pool, counters }: each item runs a nested region that adds one to 16 counters of its own
define i32 @nested_body(ptr %closure, i64 %begin, i64 %end) {
entry:
  %pool = load ptr, ptr %closure
  %counters.at = getelementptr i8, ptr %closure, i64 8
  %counters = load ptr, ptr %counters.at
  br label %loop
loop:
  %i = phi i64 [ %begin, %entry ], [ %j, %next ]
  %offset = mul i64 %i, 16
  %mine = getelementptr i32, ptr %counters, i64 %offset
  %status = call i32 @tondo_pool_parallel_for(ptr %pool, ptr @count_body, ptr %mine, i64 16, i64 3, i32 4)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %next, label %bad
next:
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %end
  br i1 %more, label %loop, label %done
bad:
  ret i32 99
done:
  ret i32 0
}

; repeats one region `times` times; the answer is the number of regions with a nonzero result
define i64 @repeat(ptr %pool, ptr %body, ptr %closure, i64 %count, i64 %grain, i32 %threads, i64 %times) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %bad = phi i64 [ 0, %entry ], [ %bad.next, %loop ]
  %status = call i32 @tondo_pool_parallel_for(ptr %pool, ptr %body, ptr %closure, i64 %count, i64 %grain, i32 %threads)
  %failed = icmp ne i32 %status, 0
  %failed.wide = zext i1 %failed to i64
  %bad.next = add i64 %bad, %failed.wide
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %times
  br i1 %more, label %loop, label %done
done:
  ret i64 %bad.next
}
"""


@dataclass(frozen=True)
class Pool:
    """Python views of the compiled functions; ``engine`` keeps the code alive."""

    engine: llvm.ExecutionEngine
    version: ctypes._CFuncPtr
    create: ctypes._CFuncPtr
    destroy: ctypes._CFuncPtr
    parallel_for: ctypes._CFuncPtr
    repeat: ctypes._CFuncPtr

    def address(self, name: str) -> int:
        return self.engine.get_function_address(name)


@pytest.fixture(scope="session")
def native() -> Pool:
    host = host_machine()
    sources = [Source("pool", pool_ir(host.triple)), Source("bodies", _BODIES)]
    target = llvm.Target.from_triple(host.triple).create_target_machine(codemodel="small", reloc="pic")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    for code in compile_many(sources, host):
        engine.add_object_file(llvm.ObjectFileRef.from_data(code.data))
    engine.finalize_object()

    def function(name: str, result: type | None, *arguments: type) -> ctypes._CFuncPtr:
        return ctypes.CFUNCTYPE(result, *arguments)(engine.get_function_address(name))

    pointer, int32, int64 = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64
    return Pool(
        engine,
        function("tondo_pool_version", int32),
        function("tondo_pool_create", pointer, int32),
        function("tondo_pool_destroy", None, pointer),
        function("tondo_pool_parallel_for", int32, pointer, pointer, pointer, int64, int64, int32),
        function("repeat", int64, pointer, pointer, pointer, int64, int64, int32, int64),
    )


@pytest.fixture(params=[1, 2, 4])
def pool(request: pytest.FixtureRequest, native: Pool) -> Iterator[int]:
    handle = native.create(request.param)
    yield handle
    native.destroy(handle)
