from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.ir import FLOAT32, INT32, Attrs, Block, OpCall, TensorType, Var, dims, walk
from tondo_ops import OPERATORS

_MATMUL = [
    ((3,), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3,)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)),
    ((6, 1, 2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)),
    ((2, 0), (0, 3)),
    ((1, 1), (1, 1)),
]


@pytest.mark.parametrize(("a", "b"), _MATMUL)
@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_matmul_follows_numpy(run, rng, a, b, kind):
    x, y = (rng.integers(-5, 6, shape).astype(kind) for shape in (a, b))
    np.testing.assert_array_equal(run("matmul", x, y), np.matmul(x, y))


def test_matmul_of_bytes_widens(run, rng):
    a, b = rng.integers(0, 256, (3, 40)).astype(np.uint8), rng.integers(-128, 128, (40, 2)).astype(np.int8)
    np.testing.assert_array_equal(run("matmul", a, b, out_dtype=INT32), a.astype(np.int32) @ b.astype(np.int32))


def test_matmul_of_half_floats_sums_in_float32(run, rng):
    a, b = (rng.normal(size=shape).astype(np.float16) for shape in [(3, 64), (64, 2)])
    exact = run("matmul", a.astype(np.float32), b.astype(np.float32))
    np.testing.assert_array_equal(run("matmul", a, b), exact.astype(np.float16))


def test_matmul_is_one_block():
    n = Var("n")
    call = OpCall("matmul", (TensorType(dims((n, 4, 64)), FLOAT32), TensorType(dims((64, 8)), FLOAT32)))
    blocks = [item for item in walk(OPERATORS["matmul"].define(call).body) if isinstance(item, Block)]
    assert len(blocks) == 1
    assert [it.kind for it in blocks[0].iters] == ["spatial"] * 3 + ["reduction"]


@pytest.mark.parametrize("trans", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("c", [None, (), (4,), (2, 1), (2, 4), (1, 4)])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0), (1.0, 0.0)])
def test_gemm(run, rng, trans, c, alpha, beta):
    a, b = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    more = [] if c is None else [rng.normal(size=c).astype(np.float32)]
    given = [np.ascontiguousarray(x.T) if turn else x for x, turn in zip((a, b), trans, strict=True)]
    ours = run("gemm", *given, *more, alpha=alpha, beta=beta, trans_a=trans[0], trans_b=trans[1])
    np.testing.assert_allclose(ours, alpha * (a @ b) + (beta * more[0] if more else 0), rtol=1e-5, atol=1e-5)


_EINSUM = [
    ("ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk", [(2, 3), (3, 4)]),
    ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
    ("ii->i", [(3, 3)]),
    ("ii", [(3, 3)]),
    ("ij->ji", [(2, 3)]),
    ("ij->", [(2, 3)]),
    ("i,j->ij", [(2,), (3,)]),
    ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
    ("...ij->...ji", [(2, 3, 4)]),
    ("...i,...i", [(2, 3), (3,)]),
    ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
    ("bhid,bhjd->bhij", [(2, 2, 3, 4), (2, 2, 5, 4)]),
    ("ij,k->i", [(2, 3), (4,)]),
    ("i...->...", [(2, 3)]),
    ("iji,j->i", [(2, 3, 2), (3,)]),
    (" i j , j k -> i k ", [(2, 3), (3, 4)]),
    (",i->i", [(), (3,)]),
    ("...,...->...", [(2, 3), (3,)]),
    ("abc,ab->c", [(2, 3, 4), (2, 3)]),
]


@pytest.mark.parametrize(("equation", "shapes"), _EINSUM)
def test_einsum_follows_numpy(run, rng, equation, shapes):
    arrays = [rng.integers(-4, 5, shape).astype(np.float32) for shape in shapes]
    np.testing.assert_array_equal(run("einsum", *arrays, equation=equation), np.einsum(equation, *arrays))


def test_einsum_with_a_stretched_label(run, rng):
    a, b = rng.normal(size=(1, 4)).astype(np.float32), rng.normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(run("einsum", a, b, equation="ij,ij->i"), (a * b).sum(1), rtol=1e-5)


@pytest.mark.parametrize(
    ("equation", "reason"),
    [
        ("ij,jk,kl", "3 operands, the call 2"),
        ("ij,j1->i", "not a term"),
        ("ijk,jk->i", "does not fit"),
        ("ij,jk->iz", "has one that no operand"),
        ("ij,kl->ii", "repeats a label"),
        ("ij,ij->ij", "two different sizes"),
    ],
)
def test_einsum_refusals(equation, reason):
    call = OpCall(
        "einsum", (TensorType(dims((2, 3)), FLOAT32), TensorType(dims((3, 4)), FLOAT32)), Attrs(equation=equation)
    )
    with pytest.raises(TondoError, match=reason):
        OPERATORS["einsum"].infer(call)


def test_refusals(run):
    with pytest.raises(TondoError, match="columns of the first and rows of the second: 3 and 2 differ"):
        run("matmul", np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32))
    with pytest.raises(TondoError, match="no matrix product"):
        run("matmul", np.float32(1), np.zeros((2, 3), np.float32))
    with pytest.raises(TondoError, match="does not broadcast"):
        run("gemm", np.zeros((2, 3), np.float32), np.zeros((3, 4), np.float32), np.zeros((3, 4), np.float32))
