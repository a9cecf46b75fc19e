from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tondo.arith import Analyzer, project
from tondo.interp import evaluate_expr
from tondo.ir import INT8, INT64, Binary, Buffer, Const, Load, Var, cast, dims, minimum

O, I, K, N, S = (Var(name) for name in ("o", "i", "k", "n", "s"))


def test_window_of_a_convolution():
    known = Analyzer({S: (1, 8)})
    low, high = project(I * S + K, {I: (O * 4, 4), K: (0, 3)}, known)
    assert low == known.simplify(O * S * 4)
    assert high == known.simplify((O * 4 + 3) * S + 2)


def test_clamped_index():
    low, high = project(minimum(I + K, N - 1), {I: (O * 4, 4), K: (0, 3)}, Analyzer({N: (1, 100)}))
    assert low == Analyzer().simplify(minimum(O * 4, N - 1))
    assert high == Analyzer().simplify(minimum(O * 4 + 5, N - 1))


def test_tile_of_tiles():
    low, high = project((O * 32 + I) // 8, {I: (0, 16)})
    assert (low, high) == (O * 4, O * 4 + 1)


def test_inner_range_names_outer_variable():
    assert project(K, {I: (0, 8), K: (I, 4)}) == (Const(0), Const(10))


def test_data_dependence():
    table = Buffer("table", dims((8,)), INT64)
    assert project(Load(table, (I,)), {I: (0, 8)}) is None
    narrow = cast(INT64, Load(Buffer("narrow", dims((8,)), INT8), (I,)))
    assert project(narrow, {I: (0, 8)}) == (Const(-128), Const(127))
    outside = Load(table, (O,))
    assert project(outside + I, {I: (0, 8)}) == (outside, outside + 7)


_leaves = st.one_of(st.sampled_from([I, K, O, N]), st.integers(-4, 6).map(Const))
_indices = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(Binary, st.sampled_from(["add", "sub"]), inner, inner),
        st.builds(Binary, st.just("mul"), inner, st.one_of(st.just(N), st.integers(-3, 4).map(Const))),
        st.builds(Binary, st.sampled_from(["floordiv", "floormod"]), inner, st.sampled_from([2, 3, 4, 8]).map(Const)),
        st.builds(Binary, st.sampled_from(["floordiv", "floormod"]), inner, st.just(N)),
        st.builds(Binary, st.sampled_from(["min", "max"]), inner, inner),
    ),
    max_leaves=7,
)


@given(_indices)
def test_bounds_hold(index):
    found = project(index, {I: (O * 4, 4), K: (0, N)}, Analyzer({N: (1, 4), O: (0, 3)}))
    assert found is not None
    for n, o in itertools.product(range(1, 5), range(3)):
        outer = {N: n, O: o}
        low, high = (evaluate_expr(end, outer) for end in found)
        for i, k in itertools.product(range(o * 4, o * 4 + 4), range(n)):
            assert low <= evaluate_expr(index, {**outer, I: i, K: k}) <= high


@given(st.integers(-3, 3), st.integers(-3, 3), st.integers(-5, 5))
def test_affine_bounds_are_attained(a, b, c):
    found = project(I * a + K * b + O * 2 + c, {I: (O * 4, 4), K: (0, 3)})
    assert found is not None
    values = [i * a + k * b + 2 * 2 + c for i in range(8, 12) for k in range(3)]
    assert [evaluate_expr(end, {O: 2}) for end in found] == [np.min(values), np.max(values)]
