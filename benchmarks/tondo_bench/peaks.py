"""What this machine can do at most: multiply-adds per second of one core, and bytes read from memory per second.

The kernels are LLVM text, compiled like any other code for the same target: independent chains of fused multiply-adds
on vectors in registers, and a sum over an array much larger than the caches. Without fused multiply-adds (plain
x86-64) a multiplication and an addition stand in their place. Both count as two operations. Measured are many slices
of less than a millisecond, about as long as a kernel runs, and the best one counts: it met no neighbour.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tondo.target import Target
from tondo_llvm.targets import machine_spec
from tondo_llvm.toolchain import Source, compile_many
from tondo_runtime.code import ObjectEngine

_CHAINS = 12
_READ_BYTES = 1 << 28
_SLICE_BYTES = 1 << 23
_UNROLL = 8
_STEPS = 200_000


class Peaks:
    """The two kernels, loaded; each call measures anew and the best figure so far counts."""

    def __init__(self, target: Target) -> None:
        """Compile the kernels for ``target``."""
        self._lanes = max(4, target.vector_bits // 32)
        fused = bool({"fma", "fma4", "neon"} & set(target.features))
        sources = [Source("fma", _fma_text(self._lanes, fused=fused)), Source("read", _read_text(self._lanes))]
        objects = compile_many(sources, machine_spec(target), jobs=1)
        self._engine = ObjectEngine({f"{code.name}.o": code.data for code in objects})
        self._sinks = np.zeros((1, 64), np.float32)
        self._place = 0
        self._fma = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(self._engine.address("peak_fma") or 0)
        signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
        self._read = signature(self._engine.address("peak_read") or 0)
        self._memory: npt.NDArray[np.float32] | None = None
        self.flops = 0.0
        self.bytes = 0.0

    def measure_flops(self, slices: int = 100) -> float:
        """Return the best multiply-add rate so far, in operations per second, of the calling core."""
        address = self._sinks[0].ctypes.data
        for _ in range(slices):
            seconds = _timed(lambda: self._fma(_STEPS, address))
            self.flops = max(self.flops, 2.0 * _STEPS * _CHAINS * self._lanes / seconds)
        return self.flops

    def measure_bytes(self, slices: int = 64) -> float:
        """Return the best read rate so far, in bytes per second, of the calling core; slices follow each other."""
        memory, count = self._array(), _SLICE_BYTES // 4
        for _ in range(slices):
            address = memory.ctypes.data + 4 * self._place
            seconds = _timed(lambda address=address: self._read(address, count, self._sinks[0].ctypes.data))
            self.bytes = max(self.bytes, _SLICE_BYTES / seconds)
            self._place = (self._place + count) % memory.size
        return self.bytes

    def measure_bytes_together(self, threads: int, repeats: int = 5) -> float:
        """Return the best rate of ``threads`` threads that read the whole array together."""
        memory = self._array()
        share = memory.size // threads // (_UNROLL * self._lanes) * (_UNROLL * self._lanes)
        parts = [
            (memory.ctypes.data + 4 * share * part, share, sink.ctypes.data)
            for part, sink in enumerate(np.zeros((threads, 64), np.float32))
        ]
        return max(4.0 * share * threads / _timed(lambda: _together(self._read, parts)) for _ in range(repeats))

    def _array(self) -> npt.NDArray[np.float32]:
        if self._memory is None:
            self._memory = np.ones(_READ_BYTES // 4, np.float32)
        return self._memory


def _together(function: Callable[..., object], parts: list[tuple[int, int, int]]) -> None:
    others = [threading.Thread(target=function, args=part) for part in parts[1:]]
    for thread in others:
        thread.start()
    function(*parts[0])
    for thread in others:
        thread.join()


def _timed(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _fma_text(lanes: int, *, fused: bool) -> str:
    """``void peak_fma(int64 steps, float *sink)``: ``_CHAINS`` chains, each one multiply-add per step."""
    vector = f"<{lanes} x float>"
    head = [f"  %a{i} = phi {vector} [ %start, %entry ], [ %b{i}, %loop ]" for i in range(_CHAINS)]
    if fused:
        body = [
            f"  %b{i} = call {vector} @llvm.fma.v{lanes}f32({vector} %a{i}, {vector} %x, {vector} %y)"
            for i in range(_CHAINS)
        ]
    else:
        body = [
            line
            for i in range(_CHAINS)
            for line in (f"  %m{i} = fmul {vector} %a{i}, %x", f"  %b{i} = fadd {vector} %m{i}, %y")
        ]
    total = [f"  %s{i + 1} = fadd {vector} {f'%s{i}' if i else '%b0'}, %b{i + 1}" for i in range(_CHAINS - 1)]
    return "\n".join(
        [
            f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})",
            "define void @peak_fma(i64 %steps, ptr %sink) {",
            "entry:",
            # The factors come from memory: known ones would be folded.
            "  %first = load float, ptr %sink, align 4",
            f"  %seed = insertelement {vector} poison, float %first, i32 0",
            f"  %x = shufflevector {vector} %seed, {vector} poison, <{lanes} x i32> zeroinitializer",
            f"  %y = fadd {vector} %x, %x",
            f"  %start = fadd {vector} %y, %x",
            "  br label %loop",
            "loop:",
            "  %n = phi i64 [ 0, %entry ], [ %n.next, %loop ]",
            *head,
            *body,
            "  %n.next = add i64 %n, 1",
            "  %more = icmp slt i64 %n.next, %steps",
            "  br i1 %more, label %loop, label %done",
            "done:",
            *total,
            f"  store {vector} %s{_CHAINS - 1}, ptr %sink, align 4",
            "  ret void",
            "}",
        ]
    )


def _read_text(lanes: int) -> str:
    """``void peak_read(float *data, int64 count, float *sink)``: sum of ``count`` numbers, a multiple of the step."""
    vector, step = f"<{lanes} x float>", _UNROLL * lanes
    lines = [
        "define void @peak_read(ptr %data, i64 %count, ptr %sink) {",
        "entry:",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ 0, %entry ], [ %i.next, %loop ]",
        *(f"  %a{u} = phi {vector} [ zeroinitializer, %entry ], [ %b{u}, %loop ]" for u in range(_UNROLL)),
    ]
    for u in range(_UNROLL):
        lines += [
            f"  %o{u} = add i64 %i, {u * lanes}",
            f"  %p{u} = getelementptr float, ptr %data, i64 %o{u}",
            f"  %v{u} = load {vector}, ptr %p{u}, align 4",
            f"  %b{u} = fadd {vector} %a{u}, %v{u}",
        ]
    lines += [
        f"  %i.next = add i64 %i, {step}",
        "  %more = icmp slt i64 %i.next, %count",
        "  br i1 %more, label %loop, label %done",
        "done:",
        *(f"  %s{u + 1} = fadd {vector} {f'%s{u}' if u else '%b0'}, %b{u + 1}" for u in range(_UNROLL - 1)),
        f"  store {vector} %s{_UNROLL - 1}, ptr %sink, align 4",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)
