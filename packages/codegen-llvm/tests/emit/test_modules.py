"""The code generator as the compiler uses it: sharing, caching, order of kernels, options, and a run of the result."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.ir import (
    FLOAT32,
    UINT8,
    Attrs,
    Binary,
    Buffer,
    Const,
    For,
    Invoke,
    IRModule,
    Store,
    TensorFunction,
    Var,
    View,
    const,
    intrin,
    seq,
)
from tondo.passes.reporter import CollectingReporter
from tondo.plugin import Codegen, CodegenContext
from tondo.target import BaselineCpu, Interpreter
from tondo_llvm.codegen import LlvmCodegen
from tondo_llvm.plugin import TONDO_PLUGIN, register_codegens
from tondo_llvm.targets import host_target
from tondo_llvm.testing import aligned_zeros
from tondo_runtime.abi import AnyValue, Context, DLDataType, DLDevice, DLTensor, SafeCall, TypeIndex
from tondo_runtime.code import ObjectEngine

pytestmark = pytest.mark.llvm

N = Var("n")


def kernel(name: str, factor: float, prefix: str = "") -> TensorFunction:
    i = Var(f"{prefix}i")
    a, b = Buffer(f"{prefix}a", (N,)), Buffer(f"{prefix}b", (N,))
    value = intrin("tanh", Binary("mul", a[i], const(factor, FLOAT32)))
    return TensorFunction(name, (N, a, b), For(i, Const(0), N, Store(b, (i,), value), "parallel"))


def module() -> IRModule:
    """main: y = second(first(twin(x))); first and twin are equal up to names; unused is not called."""
    x, y = Buffer("x", (N,)), Buffer("y", (N,))
    arena = Buffer("workspace", (N * 8 + 64,), UINT8, align=64)
    t, u = Buffer("t", (N,)), Buffer("u", (N,))
    body = View(
        t,
        arena,
        Const(0),
        View(
            u,
            arena,
            N * 4,
            seq(
                Invoke("twin", (N, x, t)),
                Invoke("first", (N, t, u)),
                Invoke("second", (N, u, y)),
            ),
        ),
    )
    main = TensorFunction("main", (N, x, y, arena), body, 2, Attrs(exported=True, kind="host"))
    return IRModule.of(
        kernel("unused", 9.0), main, kernel("first", 0.5), kernel("second", 2.0), kernel("twin", 0.5, "z_")
    )


def compile_module(cache: Path | None = None, options: Mapping[str, object] | None = None, **more: object):
    return LlvmCodegen().compile(module(), host_target(), options or {}, CodegenContext(cache=cache, **more))


def test_equal_functions_share_one_symbol_and_unused_ones_vanish() -> None:
    texts: dict[str, str] = {}
    reporter = CollectingReporter()
    code = compile_module(dump=texts.__setitem__, reporter=reporter, jobs=2)
    names = [item.name for item in code.objects]
    assert names[0] == "main"
    assert names[-1] == "tondo_pool"
    assert len(names) == 4
    assert code.kernels == ("twin", "first", "second")
    assert code.packed == ()
    assert code.features == host_target().features
    assert all(item.kind == "object" for item in code.objects)
    calls = [line for line in texts["main.ll"].splitlines() if "@tondo_fn.kernel_" in line and "call" in line]
    assert len(calls) == 3
    assert calls[0].split("@")[1].split("(")[0] == calls[1].split("@")[1].split("(")[0]
    assert reporter.steps[-1] == ("codegen", 4, 4)


def test_the_result_runs() -> None:
    code = compile_module()
    engine = ObjectEngine({item.name: item.data for item in code.objects})
    x, y = aligned_zeros((33,), np.dtype(np.float32)), aligned_zeros((33,), np.dtype(np.float32))
    x[...] = np.linspace(-2, 2, 33)
    arena = aligned_zeros((33 * 8 + 64,), np.dtype(np.uint8))
    keep: list[object] = []
    table = (AnyValue * 4)()
    table[0].type_index, table[0].payload.v_int64 = TypeIndex.INT, 33
    for slot, array, dtype in zip(table[1:], (x, y, arena), ((2, 32), (2, 32), (1, 8)), strict=True):
        shape = (ctypes.c_int64 * 1)(array.size)
        tensor = DLTensor(array.ctypes.data, DLDevice(1, 0), 1, DLDataType(*dtype, 1), ctypes.addressof(shape), None, 0)
        keep += [shape, tensor]
        slot.type_index, slot.payload.v_ptr = TypeIndex.DL_TENSOR_PTR, ctypes.addressof(tensor)
    slots = ctypes.addressof(table)
    parallel_for = engine.address("tondo_pool_parallel_for")
    context = Context(abi_version=1, num_threads=1, parallel_for=parallel_for)
    assert SafeCall(engine.address("__tondo_main"))(ctypes.addressof(context), slots, 4, None) == 0
    np.testing.assert_allclose(y, np.tanh(2 * np.tanh(np.tanh(x * 0.5) * 0.5)), rtol=2e-6)
    engine.close()


def test_the_cache_spares_compilation(tmp_path: Path) -> None:
    first = compile_module(tmp_path)
    reporter = CollectingReporter()
    texts: dict[str, str] = {}
    again = compile_module(tmp_path, reporter=reporter, dump=texts.__setitem__)
    assert [item.data for item in again.objects] == [item.data for item in first.objects]
    assert texts == {}
    # Other names, same kernels: only the caller is new.
    renamed = IRModule.of(
        *(
            kernel("other", 0.5, "q_") if function.name == "first" else function
            for function in module().tensor_functions()
            if function.name != "main"
        )
    )
    LlvmCodegen().compile(
        renamed, host_target(), {}, CodegenContext(cache=tmp_path, reporter=reporter, dump=texts.__setitem__)
    )
    assert len(texts) == 1  # "unused", which main had not called


def test_options() -> None:
    assert compile_module(options={"opt_level": 0, "vectorize": True}).objects
    for options, code in (
        ({"opt_level": 4}, "TND-C001"),
        ({"vectorize": 1}, "TND-C001"),
        ({"optlevel": 1}, "TND-C002"),
    ):
        with pytest.raises(TondoError) as caught:
            compile_module(options=options)
        assert caught.value.code == code


def test_a_missing_callee_is_named() -> None:
    x = Buffer("x", (N,))
    main = TensorFunction("main", (N, x), Invoke("gone", (N, x)), 1, Attrs(exported=True))
    with pytest.raises(TondoError, match="calls 'gone'"):
        LlvmCodegen().compile(IRModule.of(main), host_target(), {}, CodegenContext())


def test_the_plugin() -> None:
    (codegen,) = register_codegens()
    assert isinstance(codegen, Codegen)
    assert codegen.name == "llvm"
    assert TONDO_PLUGIN.api == 1
    assert codegen.supports(BaselineCpu().make("generic"))
    interpreter = Interpreter().detect()
    assert interpreter is not None
    assert not codegen.supports(interpreter)
    assert codegen.digest() == LlvmCodegen().digest()


def test_the_baseline_of_the_architecture_compiles() -> None:
    code = LlvmCodegen().compile(module(), BaselineCpu().make("generic"), {}, CodegenContext())
    assert len(code.objects) == 4
