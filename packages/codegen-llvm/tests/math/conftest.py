"""Runs functions of ``tondo_llvm.math`` over numpy arrays, compiled for this machine."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
import pytest

from tondo_llvm.math import FloatType, arity, machine_features, math_function
from tondo_llvm.toolchain import MachineSpec, Source, compile_many, host_machine

Run = Callable[..., np.ndarray]

_SCALAR = {"float32": "float", "float64": "double"}
_ENGINES: list[llvm.ExecutionEngine] = []  # keeps code alive


def baseline(host: MachineSpec) -> MachineSpec:
    """The architecture's oldest processor: no fused operations, no rounding instructions on x86."""
    return MachineSpec(host.triple)


@functools.cache
def compiled(name: str, dtype: FloatType, lanes: int, old_machine: bool) -> Run:
    host = host_machine()
    machine = baseline(host) if old_machine else host
    function = math_function(name, dtype, lanes, machine_features(machine))
    scalar = _SCALAR[dtype]
    vector = scalar if lanes == 1 else f"<{lanes} x {scalar}>"
    size = np.dtype(dtype).itemsize
    loads, given = [], []
    for index in range(arity(name)):
        loads += [
            f"  %p{index} = getelementptr {scalar}, ptr %a{index}, i64 %at",
            f"  %v{index} = load {vector}, ptr %p{index}, align {size}",
        ]
        given.append(f"{vector} %v{index}")
    parameters = ", ".join([f"ptr %a{index}" for index in range(arity(name))] + ["ptr %out", "i64 %n"])
    text = "\n".join(
        [
            *function.declarations,
            function.ir_text,
            f"define void @run({parameters}) {{",
            "entry:",
            "  br label %loop",
            "loop:",
            "  %at = phi i64 [ 0, %entry ], [ %next, %loop ]",
            *loads,
            f"  %r = call {vector} @{function.symbol}({', '.join(given)})",
            f"  %po = getelementptr {scalar}, ptr %out, i64 %at",
            f"  store {vector} %r, ptr %po, align {size}",
            f"  %next = add i64 %at, {lanes}",
            "  %more = icmp slt i64 %next, %n",
            "  br i1 %more, label %loop, label %done",
            "done:",
            "  ret void",
            "}",
        ]
    )
    (code,) = compile_many([Source(name, text)], machine)
    target = llvm.Target.from_triple(host.triple).create_target_machine(codemodel="small", reloc="pic")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.data))
    engine.finalize_object()
    _ENGINES.append(engine)
    pointers = [ctypes.c_void_p] * (arity(name) + 1)
    entry = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)(engine.get_function_address("run"))

    def run(*arrays: np.ndarray) -> np.ndarray:
        count = -(-arrays[0].size // lanes) * lanes
        padded = [np.resize(array.astype(dtype).ravel(), count) for array in arrays]
        out = np.empty(count, dtype)
        entry(*(array.ctypes.data for array in padded), out.ctypes.data, count)
        return out[: arrays[0].size]

    return run


@pytest.fixture(scope="session")
def run_math() -> Callable[[str, FloatType, int, bool], Run]:
    return compiled
