"""Costs that have nothing to do with arithmetic: a parallel region, a call of a session. Runs inside a worker."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

import numpy as np

import tondo
from tondo_bench.figures import Summary
from tondo_llvm.pool import pool_ir
from tondo_llvm.toolchain import Source, compile_many, host_machine
from tondo_runtime.code import ObjectEngine

_BODIES = """
declare i32 @tondo_pool_parallel_for(ptr, ptr, ptr, i64, i64, i32)

; what a chunk costs when there is nothing to do
define i32 @nothing(ptr %closure, i64 %begin, i64 %end) {
  ret i32 0
}

; `times` regions of `count` chunks
define void @regions(ptr %pool, i64 %count, i32 %threads, i64 %times) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %ignored = call i32 @tondo_pool_parallel_for(ptr %pool, ptr @nothing, ptr null, i64 %count, i64 1, i32 %threads)
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %times
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""


def region_overhead(threads: int, batches: int = 200, regions: int = 200) -> dict[str, float]:
    """Return microseconds of one parallel region of as many empty chunks as threads: median and best of batches."""
    host = host_machine()
    objects = compile_many([Source("pool", pool_ir(host.triple)), Source("bodies", _BODIES)], host, jobs=1)
    engine = ObjectEngine({f"{code.name}.o": code.data for code in objects})

    def function(name: str, result: type | None, *arguments: type) -> Callable[..., int]:
        return ctypes.CFUNCTYPE(result, *arguments)(engine.address(name) or 0)

    pool = function("tondo_pool_create", ctypes.c_void_p, ctypes.c_int32)(threads)
    run = function("regions", None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_int64)
    run(pool, threads, threads, regions)
    times: list[float] = []
    for _ in range(batches):
        begin = time.perf_counter()
        run(pool, threads, threads, regions)
        times.append((time.perf_counter() - begin) / regions)
    function("tondo_pool_destroy", None, ctypes.c_void_p)(pool)
    summary = Summary.of(times)
    return {"median_us": 1e3 * summary.median, "best_us": 1e3 * summary.min, "p90_us": 1e3 * summary.p90}


def call_overhead(model: str, feed: str, threads: int, calls: int = 5000) -> dict[str, float]:
    """Return microseconds of one call of a model that does next to nothing, for each way to call it."""
    compiled = tondo.compile(model, threads=threads)
    with np.load(feed) as arrays:
        inputs = {name: arrays[name] for name in arrays.files}
    values = tuple(inputs.values())
    outputs = {name: np.empty_like(array) for name, array in compiled.run(inputs).items()}
    return {
        "positional_us": _each(lambda: compiled(*values), calls),
        "named_us": _each(lambda: compiled.run(inputs), calls),
        "bound_outputs_us": _each(lambda: compiled.run(inputs, outputs), calls),
    }


def _each(call: Callable[[], object], calls: int) -> float:
    """Median microseconds of one call."""
    clock = time.perf_counter
    times: list[float] = []
    for _ in range(calls):
        begin = clock()
        call()
        times.append(clock() - begin)
    return 1e3 * Summary.of(times).median
