"""The function with which a host copies a tensor from one place to another, as lowered loops over bytes."""

from __future__ import annotations

from functools import cache
from typing import Final

from tondo.ir import (
    UINT8,
    Buffer,
    Const,
    Expr,
    For,
    Load,
    Ramp,
    Store,
    TensorFunction,
    Var,
    floordiv,
    floormod,
    mul,
    seq,
)

COPY: Final = "copy_bytes"
_WIDTH: Final = 64


@cache
def copy_bytes() -> TensorFunction:
    """Return ``copy_bytes(count, x, y)``: 64 bytes at a time, the rest one by one."""
    count = Var("count")
    x, y = Buffer("x", (count,), UINT8), Buffer("y", (count,), UINT8)
    wide, rest = Var("wide"), Var("rest")
    block = Ramp(mul(wide, _WIDTH), Const(1), _WIDTH)
    whole = floordiv(count, _WIDTH)
    place: Expr = whole * _WIDTH + rest
    return TensorFunction(
        COPY,
        (count, x, y),
        seq(
            For(wide, Const(0), whole, Store(y, (block,), Load(x, (block,)))),
            For(rest, Const(0), floormod(count, _WIDTH), Store(y, (place,), Load(x, (place,)))),
        ),
    )
