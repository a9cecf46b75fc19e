"""Forms that cannot be compiled are refused with a code and a reason."""

from __future__ import annotations

import pytest

from tondo.diagnostics import TondoError
from tondo.ir import (
    FLOAT32,
    LOCAL,
    UINT8,
    Allocate,
    Block,
    Buffer,
    Cast,
    Const,
    For,
    IterVar,
    Stmt,
    Store,
    TensorFunction,
    Var,
    const,
    dtype,
)
from tondo_llvm.emit import emit_function
from tondo_llvm.targets import host_target

I, N = Var("i"), Var("n")
A = Buffer("a", (Const(8),))
STORE = Store(A, (I,), const(1.0))


def local(size: Const | Var, kind: str = "uint8") -> Stmt:
    buffer = Buffer("t", (size,), dtype(kind), LOCAL)
    return Allocate(buffer, Store(buffer, (Const(0),), const(0, dtype(kind))))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (For(I, Const(0), Const(8), STORE, "vectorized"), "loop 'i' of kind 'vectorized' must be lowered"),
        (For(I, Const(0), Const(8), STORE, "bind:threadIdx.x"), "loop 'i' of kind 'bind:threadIdx.x'"),
        (For(I, Const(0), N, STORE, "unrolled"), "loop 'i' cannot be unrolled"),
        (Block("b", (IterVar(I, Const(8), Const(0)),), (), (), STORE), "block 'b', which must be lowered"),
        (STORE, "uses variable 'i' that is neither a parameter nor defined"),
        (Store(Buffer("b", (Const(1),)), (Const(0),), const(1.0)), "uses buffer 'b' that is neither"),
        (Store(A, (Const(0), Const(0)), const(1.0)), "has 1 dimensions and is accessed with 2 indices"),
        (Store(A, (Const(0),), Const(1)), "a value of int64 is stored to 'a' of float32"),
        (local(N), "cannot live on the stack: its size is not a constant"),
        (local(Const((64 << 10) + 1)), "65537 bytes do not fit the stack"),
        (
            Store(Buffer("a", (Const(8),), dtype("complex64")), (Const(0),), Cast(dtype("complex64"), const(1.0))),
            "complex64",
        ),
    ],
)
def test_refused(body: Stmt, message: str) -> None:
    with pytest.raises(TondoError) as caught:
        emit_function(TensorFunction("f", (N, A), body), host_target())
    assert caught.value.code == "TND-B004"
    assert message in str(caught.value)


def test_many_temporaries_do_not_overflow_the_stack() -> None:
    body: Stmt = Store(A, (Const(0),), const(1.0))
    for number in range(9):
        body = Allocate(Buffer(f"t{number}", (Const(60 << 10),), UINT8, LOCAL), body)
    with pytest.raises(TondoError, match="do not fit the stack"):
        emit_function(TensorFunction("f", (A,), body), host_target())


def test_an_unrolled_allocation_counts_once() -> None:
    t = Buffer("t", (Const(8 << 10),), FLOAT32, LOCAL)
    inner = Allocate(t, Store(t, (I,), const(1.0)))
    text = emit_function(TensorFunction("f", (A,), For(I, Const(0), Const(40), inner, "unrolled")), host_target())
    assert text.count("alloca") == 1
