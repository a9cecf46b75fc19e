"""The pool's text for each platform."""

from __future__ import annotations

import pytest

from tondo.diagnostics import TondoError
from tondo_llvm.pool import POOL_SYMBOLS, pool_ir
from tondo_llvm.toolchain import MachineSpec, Source, assembly, compile_many


@pytest.mark.parametrize("triple", ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "x86_64-linux-musl"])
def test_compiles_for(triple: str) -> None:
    text = pool_ir(triple)
    (code,) = compile_many([Source("pool", text)], MachineSpec(triple))
    for symbol in POOL_SYMBOLS:
        assert symbol.encode() in code.data
    listing = assembly(text, MachineSpec(triple))
    assert ("pause" if triple.startswith("x86") else "isb") in listing


@pytest.mark.parametrize("triple", ["x86_64-apple-darwin", "riscv64-unknown-linux-gnu", "x86_64-pc-windows-msvc"])
def test_refuses(triple: str) -> None:
    with pytest.raises(TondoError) as caught:
        pool_ir(triple)
    assert caught.value.code == "TND-B005"
    assert triple in str(caught.value)
