from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tondo.arith import Analyzer, iteration_map
from tondo.interp import evaluate_expr
from tondo.ir import Const, Var

I, J, K, N, M = (Var(name) for name in "ijknm")


def check(indices, extents):
    """The map is injective (bijective if it says so) and its inverse is right; returns the map or None."""
    found = iteration_map(indices, extents)
    points = list(itertools.product(*(range(extent) for extent in extents.values())))
    images = [
        tuple(evaluate_expr(index, dict(zip(extents, point, strict=True))) for index in indices) for point in points
    ]
    if found is None:
        return None
    assert len(set(images)) == len(points)
    outs = [Var(f"o{axis}") for axis in range(len(indices))]
    inverse = found.inverse(outs)
    for point, image in zip(points, images, strict=True):
        env = dict(zip(outs, image, strict=True))
        assert tuple(evaluate_expr(inverse[var], env) for var in extents) == point
    box = [evaluate_expr(total.extent, {}) for total in found.sums]
    if found.bijective:
        assert set(images) == set(itertools.product(*(range(extent) for extent in box)))
    return found


@pytest.mark.parametrize(
    ("indices", "extents", "bijective"),
    [
        ([I, J], {I: 3, J: 4}, True),
        ([J, I], {I: 3, J: 4}, True),
        ([I * 4 + J, K], {I: 8, J: 4, K: 3}, True),
        ([I // 8, J, I % 8], {I: 32, J: 5}, True),
        ([I // 8, I % 8], {I: 30}, False),
        ([(I * 6 + J) // 4, (I * 6 + J) % 4], {I: 2, J: 6}, True),
        ([(I * 5 + J) // 4, (I * 5 + J) % 4], {I: 3, J: 5}, False),
        ([I // 8 * 4 + J // 2, I % 8 * 2 + J % 2], {I: 16, J: 8}, True),
        ([I // 16, J // 16, I // 4 % 4, J % 16, I % 4], {I: 32, J: 32}, True),
        ([I * 4 + 1, J], {I: 3, J: 2}, False),
        ([I, Const(0), J], {I: 3, J: 2}, True),
        ([I], {I: 3, J: 1}, True),
    ],
)
def test_maps(indices, extents, bijective):
    found = check(indices, extents)
    assert found is not None
    assert found.bijective == bijective


@pytest.mark.parametrize(
    ("indices", "extents"),
    [
        ([I + J], {I: 3, J: 4}),
        ([I * 3 + J], {I: 3, J: 4}),
        ([I, I], {I: 3}),
        ([I], {I: 3, J: 4}),
        ([I // 4], {I: 8}),
        ([I % 4], {I: 8}),
        ([I * J], {I: 3, J: 4}),
        ([3 - I], {I: 3}),
        ([I // 4, I % 2], {I: 8}),
    ],
)
def test_refused(indices, extents):
    assert check(indices, extents) is None


def test_symbolic():
    known = Analyzer({N: (1, 100), M: (1, 100)})
    found = iteration_map([I * N + J], {I: M, J: N}, known)
    assert found is not None
    assert found.bijective
    out = Var("out")
    ranged = known.with_range(out, 0, N * M)
    inverse = found.inverse([out], ranged)
    assert inverse == {I: ranged.simplify(out // N), J: ranged.simplify(out % N)}
    assert iteration_map([(I * N + J) // M, (I * N + J) % M], {I: M, J: N}, known) is not None


@given(
    st.permutations([0, 1, 2]), st.sampled_from([1, 2, 3, 4, 6]), st.integers(1, 4), st.integers(1, 4), st.booleans()
)
def test_tile_fuse_and_permute(order, tile, a, b, fuse):
    extents = {I: a * tile, J: b, K: 2}
    parts = [I // tile, I % tile, J * 2 + K] if fuse else [I // tile * b + J, I % tile, K]
    found = check([parts[position] for position in order], extents)
    assert found is not None
    assert found.bijective
