"""Calls of tensor functions and of foreign ones, profile records, and the native context's layout."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.ir import (
    BOOL,
    FLOAT32,
    UINT8,
    Assert,
    Attrs,
    Buffer,
    Compare,
    Const,
    For,
    Invoke,
    Store,
    TensorFunction,
    Var,
    View,
    cast,
    const,
    dtype,
    intrin,
    seq,
)
from tondo_llvm.emit import emit_function, function_symbol
from tondo_llvm.emit.context import OFFSETS
from tondo_llvm.pool import pool_ir
from tondo_llvm.targets import host_target, machine_spec
from tondo_llvm.testing import Loaded, aligned_zeros, run
from tondo_llvm.toolchain import Source, compile_many
from tondo_runtime.abi import (
    AnyValue,
    ClockNs,
    Context,
    DLTensor,
    ProfileBuffer,
    ProfileRecord,
    SafeCall,
    TypeIndex,
    address_of,
)
from tondo_runtime.code import ObjectEngine

pytestmark = pytest.mark.llvm

I, N = Var("i"), Var("n")


def axpy(name: str = "axpy") -> TensorFunction:
    s = Var("s", FLOAT32)
    a, b = Buffer("a", (N,)), Buffer("b", (N,))
    check = Assert(Compare("gt", N, Const(0)), "n must be positive")
    return TensorFunction(name, (N, s, a, b), seq(check, For(I, Const(0), N, Store(b, (I,), a[I] * s + const(1.0)))))


def host(kernel: str) -> TensorFunction:
    """main(n, x, y, workspace): y = kernel(kernel(x)) through the arena."""
    x, y = Buffer("x", (N,)), Buffer("y", (N,))
    arena = Buffer("workspace", (N * 4,), UINT8, align=64)
    t = Buffer("t", (N,))
    body = View(
        t,
        arena,
        Const(0),
        seq(
            Invoke(kernel, (N, const(2.0), x, t)),
            Invoke(kernel, (N, cast(FLOAT32, N), t, y)),
        ),
    )
    return TensorFunction("main", (N, x, y, arena), body, 2)


def test_offsets_are_those_of_the_runtime() -> None:
    assert {name: getattr(Context, name).offset for name, _ in Context._fields_} == OFFSETS


def test_calls_of_tensor_functions_and_their_errors() -> None:
    x = np.arange(5, dtype=np.float32)
    y, _ = run(host("axpy"), [x, np.zeros(5, np.float32), aligned_zeros((20,), np.dtype(np.uint8))], callees=[axpy()])
    np.testing.assert_array_equal(y, (x * 2 + 1) * 5 + 1)
    empty, room = np.zeros(0, np.float32), aligned_zeros((64,), np.dtype(np.uint8))
    with pytest.raises(TondoError, match="n must be positive"):
        run(host("axpy"), [empty, empty, room], callees=[axpy()])


def test_unknown_callees_and_wrong_arguments_are_refused() -> None:
    with pytest.raises(TondoError, match=r"(?s)unknown function 'axpi'.*did you mean 'axpy'"):
        emit_function(host("axpi"), host_target(), {"axpy": axpy()})
    x = Buffer("x", (N,))
    with pytest.raises(TondoError, match="takes 4 arguments, not 1"):
        emit_function(TensorFunction("f", (N, x), Invoke("axpy", (x,))), host_target(), {"axpy": axpy()})
    with pytest.raises(TondoError, match="wrong kind of argument"):
        emit_function(TensorFunction("f", (N, x), Invoke("axpy", (x, N, x, x))), host_target(), {"axpy": axpy()})
    with pytest.raises(TondoError, match="no position"):
        emit_function(TensorFunction("f", (x,), Invoke("lib.f", (x,), packed=True)), host_target())


def test_profile_records() -> None:
    target = host_target()
    functions = {"axpy": axpy()}
    sources = [
        Source("main", emit_function(host("axpy"), target, functions, {"axpy": 5})),
        Source("axpy", emit_function(axpy(), target)),
        Source("pool", pool_ir(target.triple)),
    ]
    engine = ObjectEngine(
        {f"{i}.o": code.data for i, code in enumerate(compile_many(sources, machine_spec(target), jobs=1))}
    )
    ticks = iter(range(100, 1000, 10))

    @ClockNs
    def clock() -> int:
        return next(ticks)

    records = (ProfileRecord * 3)()
    profile = ProfileBuffer(0, 3, ctypes.addressof(records))
    context = Context(abi_version=1, num_threads=1, profile=ctypes.addressof(profile), clock_ns=address_of(clock))
    main = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_void_p] * 3)(
        engine.address(function_symbol("main"))
    )
    x, y, arena = (aligned_zeros((8,), np.dtype(np.float32)) for _ in range(3))
    arguments = (ctypes.addressof(context), 8, x.ctypes.data, y.ctypes.data, arena.ctypes.data)
    assert main(*arguments) == 0
    assert [(r.kernel_index, r.begin_ns, r.end_ns) for r in records[: profile.count]] == [(5, 100, 110), (5, 120, 130)]
    assert main(*arguments) == 0
    assert profile.count == 4  # the fourth record did not fit
    assert records[2].begin_ns == 140
    context.profile = None
    assert main(*arguments) == 0
    assert profile.count == 4
    engine.close()


def test_foreign_functions_get_tagged_values() -> None:
    s = Var("s")
    a = Buffer("a", (N, Const(3)), dtype("int16"))
    b = Buffer("b", (Const(4),), FLOAT32, strides=(N,))
    body = seq(
        Invoke(
            "lib.look", (a, N + 1, const(2.5), b, Compare("lt", N, Const(9)), const(7, dtype("uint8"))), packed=True
        ),
        Invoke("lib.stop", (), packed=True),
    )
    function = TensorFunction("f", (N, s, a, b), body, 1)
    seen: list[object] = []

    @SafeCall
    def look(handle: int, args: int, count: int, result: int) -> int:
        values = ctypes.cast(args, ctypes.POINTER(AnyValue))
        seen.append(
            (
                handle,
                count,
                [values[k].type_index for k in range(count)],
                [values[k].zero_padding for k in range(count)],
            )
        )
        seen.append(
            (
                values[1].payload.v_int64,
                values[2].payload.v_float64,
                values[4].payload.v_int64,
                values[5].payload.v_int64,
            )
        )
        for place in (0, 3):
            view = ctypes.cast(values[place].payload.v_ptr, ctypes.POINTER(DLTensor))[0]
            shape = list(ctypes.cast(view.shape, ctypes.POINTER(ctypes.c_int64))[: view.ndim])
            strides = (
                list(ctypes.cast(view.strides, ctypes.POINTER(ctypes.c_int64))[: view.ndim]) if view.strides else None
            )
            t = view.dtype
            seen.append(
                (
                    view.data,
                    view.device.device_type,
                    view.ndim,
                    (t.code, t.bits, t.lanes),
                    shape,
                    strides,
                    view.byte_offset,
                )
            )
        assert ctypes.cast(result, ctypes.POINTER(AnyValue))[0].type_index == TypeIndex.NONE
        return 0

    @SafeCall
    def stop(handle: int, args: int, count: int, result: int) -> int:
        del args, result
        seen.append((handle, count))
        return -1

    packed = {"lib.other": (0, 0), "lib.look": (address_of(look), 41), "lib.stop": (address_of(stop), 42)}
    x, y = aligned_zeros((6, 3), np.dtype(np.int16)), aligned_zeros((24,), np.dtype(np.float32))
    with Loaded([function], packed=packed) as loaded, pytest.raises(TondoError, match=r"TND-R001\]: lib\.stop"):
        loaded.run(function, [x, y], {"n": 6, "s": 0})
    assert seen == [
        (41, 6, [7, 1, 3, 7, 2, 1], [0] * 6),
        (7, 2.5, 1, 7),
        (x.ctypes.data, 1, 2, (0, 16, 1), [6, 3], None, 0),
        (y.ctypes.data, 1, 1, (2, 32, 1), [4], [6], 0),
        (42, 0),
    ]


def test_objects_that_foreign_functions_return_are_given_back() -> None:
    x = Buffer("x", (N,))
    function = TensorFunction("f", (N, x), Invoke("lib.make", (x,), packed=True), 1)
    kinds = iter((70, 0, 128, 1))
    released: list[int] = []

    @SafeCall
    def make(handle: int, args: int, count: int, result: int) -> int:
        del handle, args, count
        slot = AnyValue.from_address(result)
        slot.type_index, slot.payload.v_ptr = next(kinds), 0x1234
        return 0

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    def release(item: int) -> int:
        released.append(item)
        return 0

    array = aligned_zeros((4,), np.dtype(np.float32))
    with Loaded([function], packed={"lib.make": (address_of(make), 0)}) as loaded:
        context = loaded.context()
        call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(
            loaded.address(function_symbol("f"))
        )
        assert call(ctypes.addressof(context), 4, array.ctypes.data) == 0, "nobody knows objects: left alone"
        assert released == []
        context.release = address_of(release)
        for _ in range(3):
            assert call(ctypes.addressof(context), 4, array.ctypes.data) == 0
    assert released == [0x1234]


def test_names_with_any_characters() -> None:
    flag = Buffer("out put", (Const(1),), BOOL)
    function = TensorFunction('my.lib::f "x" é', (flag,), Store(flag, (Const(0),), const(True)))
    caller = TensorFunction("g", (flag,), Invoke(function.name, (flag,)))
    (got,) = run(caller, [], callees=[function])
    assert got[0]


@pytest.mark.parametrize("name", ["tanh", "main", "malloc", "tondo.check", "llvm.fabs.f64"])
def test_names_of_other_functions(name: str) -> None:
    """A tensor function may be called like what its own code calls."""
    a, b = Buffer("a", (Const(4),), dtype("float64")), Buffer("b", (Const(4),), dtype("float64"))
    value = intrin("abs", intrin("tanh", a[I]))
    function = TensorFunction(name, (a, b), For(I, Const(0), Const(4), Store(b, (I,), value)), 1, Attrs(exported=True))
    x = np.linspace(-1, 1, 4)
    (got,) = run(function, [x])
    np.testing.assert_allclose(got, np.abs(np.tanh(x)), rtol=1e-14)
