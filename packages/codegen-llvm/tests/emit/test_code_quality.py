"""What the machine code must look like: accumulators in registers, fused operations, no helper calls."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tondo.ir import (
    FLOAT32,
    LOCAL,
    Allocate,
    Attrs,
    Broadcast,
    Buffer,
    Cast,
    Compare,
    Const,
    For,
    Load,
    Ramp,
    Store,
    TensorFunction,
    Var,
    const,
    dtype,
    floordiv,
    seq,
)
from tondo.target import Target
from tondo_llvm.emit import emit_function
from tondo_llvm.targets import host_target, machine_spec
from tondo_llvm.toolchain import assembly

pytestmark = pytest.mark.llvm

I, J, K, N = Var("i"), Var("j"), Var("k"), Var("n")

X86 = {
    512: frozenset({"sse2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl"}),
    256: frozenset({"sse2", "avx", "avx2", "fma", "f16c"}),
    128: frozenset({"sse2"}),
}


def x86(bits: int) -> Target:
    return replace(host_target(), cpu="", triple="x86_64-unknown-linux-gnu", features=X86[bits], vector_bits=bits)


def register_tile(rows: int, columns: int, lanes: int, depth: Const | Var) -> TensorFunction:
    """C[rows, columns * lanes] = A @ B with all of C in a local buffer."""
    width = Const(columns * lanes)
    a, b, c = (
        Buffer("a", (Const(rows), depth)),
        Buffer("b", (depth, width), align=64),
        Buffer("c", (Const(rows), width), align=64),
    )
    acc = Buffer("acc", (Const(rows), width), FLOAT32, LOCAL)
    vector = Ramp(J * lanes, Const(1), lanes)

    def tile(store: Store) -> For:
        return For(I, Const(0), Const(rows), For(J, Const(0), Const(columns), store, "unrolled"), "unrolled")

    update = Load(acc, (I, vector)) + Broadcast(a[I, K], lanes) * Load(b, (K, vector))
    body = Allocate(
        acc,
        seq(
            tile(Store(acc, (I, vector), Broadcast(const(0.0), lanes))),
            For(K, Const(0), depth, tile(Store(acc, (I, vector), update))),
            tile(Store(c, (I, vector), Load(acc, (I, vector)))),
        ),
    )
    params = (a, b, c) if isinstance(depth, Const) else (depth, a, b, c)
    return TensorFunction("tile", params, body)


def inner_loop(text: str) -> list[str]:
    """Return the instructions of the last loop of the first function in an assembly listing."""
    lines = text.split(".Lfunc_end0", maxsplit=1)[0].splitlines()
    labels = {line[:-1]: number for number, line in enumerate(lines) if re.fullmatch(r"\.LBB\S+:", line)}
    for number in reversed(range(len(lines))):
        jump = re.match(r"\s+j\w+\s+(\.LBB\S+)", lines[number])
        if jump and labels.get(jump.group(1), number) < number:
            return [
                line.strip()
                for line in lines[labels[jump.group(1)] + 1 : number + 1]
                if line.startswith("\t") and not line.startswith("\t.")
            ]
    raise AssertionError(text)


@pytest.mark.parametrize("depth", [Const(256), N])
@pytest.mark.parametrize(("bits", "rows", "columns", "register"), [(512, 8, 3, "zmm"), (256, 6, 2, "ymm")])
def test_a_register_tile_has_no_stack_traffic(
    depth: Const | Var, bits: int, rows: int, columns: int, register: str
) -> None:
    target = x86(bits)
    text = assembly(emit_function(register_tile(rows, columns, bits // 32, depth), target), machine_spec(target))
    loop = inner_loop(text)
    assert sum("vfmadd" in line and register in line for line in loop) == rows * columns
    assert not [line for line in loop if "(%rsp" in line or "(%rbp" in line]
    assert "vmov" not in "".join(line for line in loop if line.count("(") == 0)
    # One vector load per column, a broadcast and at most one address per row, and the loop itself.
    assert len(loop) <= rows * columns + columns + 2 * rows + 4


def test_products_and_sums_fuse_only_where_the_target_can() -> None:
    a, b = Buffer("a", (Const(8),)), Buffer("b", (Const(8),))
    lanes = Ramp(Const(0), Const(1), 8)
    body = Store(b, (lanes,), Load(a, (lanes,)) * Load(a, (lanes,)) + Load(b, (lanes,)))
    function = TensorFunction("f", (a, b), body)
    for bits, fused in ((512, True), (256, True), (128, False)):
        text = assembly(emit_function(function, x86(bits)), machine_spec(x86(bits)))
        assert ("vfmadd" in text) == fused
        assert "call" not in text


def test_wide_vectors_are_not_split() -> None:
    a, b = Buffer("a", (Const(16),)), Buffer("b", (Const(16),))
    lanes = Ramp(Const(0), Const(1), 16)
    text = assembly(
        emit_function(TensorFunction("f", (a, b), Store(b, (lanes,), Load(a, (lanes,)) + const_vector(1.0))), x86(512)),
        machine_spec(x86(512)),
    )
    assert "zmm" in text
    assert "ymm" not in text.replace("vzeroupper", "")


def const_vector(value: float) -> Broadcast:
    return Broadcast(const(value), 16)


def test_tail_masks_are_one_narrow_comparison() -> None:
    a, b = Buffer("a", (N,)), Buffer("b", (N,))
    index = Ramp(I * 16, Const(1), 16)
    inside = Compare("lt", index, Broadcast(N, 16))
    body = For(I, Const(0), floordiv(N + 15, 16), Store(b, (index,), Load(a, (index,), inside), inside))
    loop = inner_loop(assembly(emit_function(TensorFunction("f", (N, a, b), body), x86(512)), machine_spec(x86(512))))
    assert sum("vpcmp" in line for line in loop) == 1
    assert sum("{%k1}" in line for line in loop) == 2


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float8_e4m3fn"])
@pytest.mark.parametrize("bits", [512, 256, 128])
def test_small_floats_need_no_library(kind: str, bits: int) -> None:
    a, b = Buffer("a", (Const(16),), dtype(kind)), Buffer("b", (Const(16),), dtype(kind))
    lanes = Ramp(Const(0), Const(1), 16)
    wide = Cast(dtype("float32x16"), Load(a, (lanes,)))
    body = Store(b, (lanes,), Cast(dtype(kind).with_lanes(16), wide * wide))
    text = assembly(emit_function(TensorFunction("f", (a, b), body), x86(bits)), machine_spec(x86(bits)))
    assert "call" not in text


def test_serial_loops_stay_rolled_unless_asked() -> None:
    a, b = Buffer("a", (Const(64),)), Buffer("b", (Const(64),))
    for attrs, rolled in ((Attrs(), True), (Attrs(unroll=True), False)):
        body = For(I, Const(0), Const(16), Store(b, (I,), a[I] + const(1.0)), attrs=attrs)
        text = assembly(emit_function(TensorFunction("f", (a, b), body), x86(256)), machine_spec(x86(256)))
        assert ("\tj" in text.split(".Lfunc_end0")[0]) == rolled


def test_other_architectures() -> None:
    target = replace(
        host_target(),
        cpu="",
        triple="aarch64-unknown-linux-gnu",
        features=frozenset({"neon", "fp-armv8"}),
        vector_bits=128,
    )
    text = assembly(emit_function(register_tile(4, 3, 4, Const(64)), target), machine_spec(target))
    assert text.count("fmla") == 12
    assert "[sp" not in text.split("b.ne")[0].split(".LBB0_1")[-1]
