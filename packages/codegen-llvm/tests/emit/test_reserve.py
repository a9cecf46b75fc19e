"""Slots of a call: memory that is large enough is taken as it is, the caller is asked for more."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tondo.ir import INT64, Buffer, Const, For, Load, Reserve, Store, TensorFunction, Var, seq
from tondo_llvm.emit import emit_function, function_symbol
from tondo_llvm.pool import pool_ir
from tondo_llvm.targets import host_target, machine_spec
from tondo_llvm.toolchain import Source, compile_many
from tondo_runtime.abi import Context, SetError, SlotEntry, address_of
from tondo_runtime.abi import Reserve as ReserveFunction
from tondo_runtime.code import ObjectEngine
from tondo_runtime.slots import Slots

I, N = Var("i"), Var("n")


def writer() -> TensorFunction:
    """``f(n, y)``: slot n % 2 holds 0, 3, 6 ...; its rows are read through another buffer of the same slot."""
    y = Buffer("y", (N,), INT64)
    here, again = Buffer("here", (N,), INT64), Buffer("again", (N, Const(1)), INT64)
    body = seq(
        Reserve(here, N % 2, For(I, Const(0), N, Store(here, (I,), I * 3))),
        Reserve(again, N % 2, For(I, Const(0), N, Store(y, (I,), Load(again, (I, Const(0)))))),
    )
    return TensorFunction("f", (N, y), body)


@pytest.fixture(scope="module")
def entry():
    target = host_target()
    sources = [Source("f", emit_function(writer(), target)), Source("pool", pool_ir(target.triple))]
    compiled = compile_many(sources, machine_spec(target), jobs=1)
    engine = ObjectEngine({f"{i}.o": code.data for i, code in enumerate(compiled)})
    address = engine.address(function_symbol("f"))
    yield ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)(address)
    engine.close()


def test_memory_is_asked_for_when_it_is_too_small(entry) -> None:
    slots, asked = Slots(2), []
    errors: list[bytes] = []

    @ReserveFunction
    def reserve(context, number, size):
        asked.append((number, size))
        return None if size > 8000 else slots.reserve(number, size)

    @SetError
    def set_error(context, kind, message):
        errors.append(message)

    context = Context(
        abi_version=1, num_threads=1, slots=slots.address, reserve=address_of(reserve), set_error=address_of(set_error)
    )

    def call(n: int) -> int:
        y = np.full(n, -1, np.int64)
        status = entry(ctypes.addressof(context), n, y.ctypes.data)
        if status == 0:
            np.testing.assert_array_equal(y, np.arange(n) * 3)
        return status

    assert [call(n) for n in (8, 6, 7, 100, 100, 5)] == [0] * 6
    assert asked == [(0, 64), (1, 56), (0, 800)], "twice the same size, or a smaller one, asks for nothing"
    assert call(2000) != 0
    assert errors == [b"there is no memory for 'here'"]
    assert ctypes.sizeof(SlotEntry) == 16
