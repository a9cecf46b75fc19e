from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tondo.diagnostics import TondoError
from tondo.ir import FLOAT32, Attrs, Binary, Const, OpCall, TensorType, Var, dims, walk
from tondo_ops import OPERATORS


def iota(*shape):
    return np.arange(math.prod(shape), dtype=np.float32).reshape(shape)


def infer(op, *shapes, **attrs):
    (result, *_) = OPERATORS[op].infer(
        OpCall(op, tuple(TensorType(dims(shape), FLOAT32) for shape in shapes), Attrs(attrs))
    )
    return result.dims


# ---------------------------------------------------------------------------------------------- views

_RESHAPE = [
    ((2, 3, 4), (6, 4)),
    ((2, 3, 4), (2, 12)),
    ((2, 3, 4), (24,)),
    ((24,), (2, 3, 4)),
    ((2, 12), (2, 3, 4)),
    ((6, 4), (4, 6)),
    ((2, 3, 4), (3, 8)),
    ((1, 6, 1), (2, 3)),
    ((6,), (1, 6, 1)),
    ((1, 1), ()),
    ((), (1, 1)),
    ((2, 3, 4), (4, -1)),
    ((5,), (-1,)),
    ((0, 3), (3, 0)),
    ((4, 6, 10), (8, 3, 10)),
    ((2, 2, 2, 2), (4, 4)),
]


@pytest.mark.parametrize(("shape", "wanted"), _RESHAPE)
def test_reshape(run, shape, wanted):
    np.testing.assert_array_equal(run("reshape", iota(*shape), shape=wanted), iota(*shape).reshape(wanted))


@settings(max_examples=60)
@given(data=st.data())
def test_reshape_of_any_shape(run, data):
    factors = data.draw(st.lists(st.sampled_from([1, 2, 3, 5]), max_size=5))

    def grouped():
        cuts = sorted(data.draw(st.lists(st.integers(0, len(factors)), max_size=3)))
        edges = [0, *cuts, len(factors)]
        order = factors if data.draw(st.booleans()) else factors[::-1]
        return tuple(math.prod(order[a:b]) for a, b in pairwise(edges))

    source, target = grouped(), grouped()
    np.testing.assert_array_equal(run("reshape", iota(*source), shape=target), iota(*source).reshape(target))


def quotients(op, source, **attrs):
    call = OpCall(op, (TensorType(dims(source), FLOAT32),), Attrs(attrs))
    nodes = [item for item in walk(OPERATORS[op].define(call).body) if isinstance(item, Binary)]
    return sorted({item.op for item in nodes} & {"floordiv", "floormod"})


def test_only_merging_dimensions_needs_division():
    n, t = Var("n"), Var("t")
    assert quotients("reshape", (n, t, 12, 64), shape=(n, t, 768)) == ["floordiv", "floormod"]
    assert quotients("reshape", (n, t, 768), shape=(n, t, 12, 64)) == []
    assert quotients("flatten", (n, 512, 7, 7), axis=1) != []
    assert quotients("reshape", (n, 1, t, 1), shape=(n, t)) == []
    assert quotients("reshape", (n * t, 64), shape=(n, t, 64)) == []


def test_reshape_computes_symbolic_sizes():
    n, t = Var("n"), Var("t")
    assert infer("reshape", (n, t, 768), shape=(n, -1, 12, 64)) == dims((n, t, 12, 64))
    assert infer("reshape", (n, t, 768), shape=(-1, 768)) == (n * t, Const(768))
    assert infer("flatten", (n, 3, 4)) == dims((n, 12))


def test_reshape_refusals(run):
    with pytest.raises(TondoError, match=r"6 elements do not fill the shape \[4\]"):
        run("reshape", iota(2, 3), shape=(4,))
    with pytest.raises(TondoError, match="one -1"):
        run("reshape", iota(2, 3), shape=(-1, -1))


def test_other_views(run):
    x = iota(1, 3, 1, 2)
    np.testing.assert_array_equal(run("squeeze", x), x.squeeze())
    np.testing.assert_array_equal(run("squeeze", x, axes=(0,)), x.squeeze(0))
    np.testing.assert_array_equal(run("squeeze", x, axes=(-2, 0)), x.squeeze((0, 2)))
    np.testing.assert_array_equal(run("unsqueeze", iota(3, 2), axes=(0, -1)), iota(3, 2)[None, :, :, None])
    np.testing.assert_array_equal(run("unsqueeze", np.float32(3), axes=(0,)), np.float32([3]))
    for axis in range(-3, 4):
        cut = axis % 3 if axis < 0 else axis
        np.testing.assert_array_equal(
            run("flatten", iota(2, 3, 4), axis=axis), iota(2, 3, 4).reshape(math.prod((2, 3, 4)[:cut]), -1)
        )
    with pytest.raises(TondoError, match="dimension 1 must be 1: 3 and 1 differ"):
        run("squeeze", x, axes=(1,))


@pytest.mark.parametrize("perm", [None, (0, 1, 2), (2, 0, 1), (-1, 0, 1)])
def test_transpose(run, perm):
    np.testing.assert_array_equal(run("transpose", iota(2, 3, 4), perm=perm), np.transpose(iota(2, 3, 4), perm))


# ---------------------------------------------------------------------------------------------- joins and cuts


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat(run, axis):
    parts = [iota(*(size if i == axis % 3 else 2 + i for i in range(3))) + 100 * size for size in (1, 3, 0, 2)]
    np.testing.assert_array_equal(run("concat", *parts, axis=axis), np.concatenate(parts, axis))
    np.testing.assert_array_equal(run("concat", parts[0], axis=axis), parts[0])
    np.testing.assert_array_equal(run("concat", parts[2], parts[2], axis=axis), np.concatenate([parts[2]] * 2, axis))


def test_concat_adds_symbolic_sizes():
    past, new = Var("past"), Var("new")
    assert infer("concat", (1, past, 64), (1, new, 64), axis=1)[1] == infer("concat", (new,), (past,), axis=0)[0]
    with pytest.raises(TondoError, match="sizes of dimension 0: 2 and 3 differ"):
        infer("concat", (2, 1), (3, 1), axis=1)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_stack(run, axis):
    parts = [iota(2, 3), iota(2, 3) + 10, iota(2, 3) + 20]
    np.testing.assert_array_equal(run("stack", *parts, axis=axis), np.stack(parts, axis))


_POSITION = st.none() | st.integers(-8, 8) | st.just(2**31 - 1) | st.just(-(2**31) + 1) | st.just(2**63 - 1)


@settings(max_examples=150)
@given(size=st.integers(0, 6), start=_POSITION, end=_POSITION, step=st.sampled_from([1, 1, 2, 3, -1, -2]))
def test_slice_follows_numpy(run, size, start, end, step):
    x = iota(2, size)
    wanted = x[:, slice(start, end, step)]
    np.testing.assert_array_equal(run("slice", x, axes=(1,), starts=(start,), ends=(end,), steps=(step,)), wanted)


def test_slice_with_symbolic_positions():
    n = Var("n")
    assert infer("slice", (n, 8), axes=(0,), starts=(1,), ends=(None,)) == (n - 1, Const(8))
    assert infer("slice", (n, 8), axes=(0,), starts=(0,), ends=(-1,)) == (n - 1, Const(8))
    assert infer("slice", (n, 8), axes=(0,), starts=(n - 1,), ends=(n,)) == dims((1, 8))
    assert infer("slice", (n, 8), axes=(-1, 0), starts=(2, None), ends=(4, None), steps=(1, 2)) == (
        (n + 1) // 2,
        Const(2),
    )


# ---------------------------------------------------------------------------------------------- lookups and updates


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint8])
def test_gather(run, rng, axis, shape, kind):
    x, indices = iota(3, 5, 4), rng.integers(0 if kind == np.uint8 else -3, 3, shape).astype(kind)
    np.testing.assert_array_equal(run("gather", x, indices, axis=axis), np.take(x, indices.astype(np.int64), axis))


def test_gather_clamps(run):
    np.testing.assert_array_equal(run("gather", iota(3), np.array([-9, 9, 1])), [0, 2, 1])


def test_gather_elements(run, rng):
    x, indices = iota(3, 5), rng.integers(-3, 3, (2, 5))
    np.testing.assert_array_equal(run("gather_elements", x, indices), np.take_along_axis(x, indices % 3, 0))
    wide = rng.integers(-5, 5, (3, 7))
    np.testing.assert_array_equal(run("gather_elements", x, wide, axis=-1), np.take_along_axis(x, wide % 5, 1))


@pytest.mark.parametrize(
    ("shape", "indices", "batch"),
    [
        ((3, 4, 5), (2, 2), 0),
        ((3, 4, 5), (2, 3), 0),
        ((3, 4, 5), (6, 1), 0),
        ((3, 4, 5), (3, 2, 1), 1),
        ((2, 3, 4), (2, 3, 1), 2),
        ((3, 4), (2, 5, 2), 0),
    ],
)
def test_gather_nd_follows_onnxruntime(run, ort, rng, shape, indices, batch):
    x, places = iota(*shape), rng.integers(0, 3, indices)
    np.testing.assert_array_equal(
        run("gather_nd", x, places, fixed={1}, batch_dims=batch), ort("GatherND", x, places, batch_dims=batch)
    )


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("axis", [0, 1])
def test_scatter_elements_follows_onnxruntime(run, ort, rng, reduction, axis):
    x, updates = iota(4, 5), rng.normal(5, 5, (3, 4)).astype(np.float32)
    indices = (
        rng.integers(-4, 4, (3, 4)) if reduction != "none" else rng.permuted(np.tile(np.arange(4), (3, 1)), axis=1)
    )
    if reduction == "none" and axis == 0:
        indices = np.stack([rng.permutation(4)[:3] for _ in range(4)], 1)
    theirs = ort("ScatterElements", x, indices, updates, axis=axis, reduction=reduction)
    np.testing.assert_allclose(
        run("scatter_elements", x, indices, updates, axis=axis, reduction=reduction), theirs, rtol=1e-6
    )


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize(
    ("shape", "indices"), [((6, 3), [[1], [4], [1]]), ((3, 4), [[1, 2], [-1, 0]]), ((2, 3, 2), [[[0], [1]]])]
)
def test_scatter_nd_follows_onnxruntime(run, ort, rng, reduction, shape, indices):
    places = np.array(indices if reduction != "none" else indices[:2])
    x = iota(*shape)
    updates = rng.normal(5, 5, (*places.shape[:-1], *shape[places.shape[-1] :])).astype(np.float32)
    theirs = ort("ScatterND", x, places, updates, reduction=reduction)
    np.testing.assert_allclose(run("scatter_nd", x, places, updates, fixed={1}, reduction=reduction), theirs, rtol=1e-6)


def test_scatter_drops_what_lies_outside(run):
    x = iota(3)
    np.testing.assert_array_equal(run("scatter_elements", x, np.array([5, -7, 1]), np.float32([9, 9, 9])), [0, 9, 2])
    np.testing.assert_array_equal(run("scatter_nd", x, np.array([[5], [-7], [1]]), np.float32([9, 9, 9])), [0, 9, 2])


def test_lookup_refusals():
    call = OpCall("gather", (TensorType(dims((3,)), FLOAT32), TensorType(dims((3,)), FLOAT32)))
    with pytest.raises(TondoError, match="needs an integer argument"):
        OPERATORS["gather"].infer(call)


# ---------------------------------------------------------------------------------------------- pads and repeats


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize(("begin", "end"), [((0, 0), (0, 0)), ((1, 2), (2, 1)), ((0, 3), (0, 0)), ((2, 0), (0, 3))])
def test_pad_follows_numpy(run, mode, begin, end):
    x = iota(3, 4)
    wanted = np.pad(
        x, list(zip(begin, end, strict=True)), mode, **({"constant_values": 7} if mode == "constant" else {})
    )
    np.testing.assert_array_equal(run("pad", x, begin=begin, end=end, mode=mode, value=7), wanted)


def test_pad_crops_and_reflects_far(run):
    x = iota(3, 4)
    np.testing.assert_array_equal(run("pad", x, begin=(-1, 0), end=(1, -2)), np.pad(x, ((0, 1), (0, 0)))[1:, :2])
    np.testing.assert_array_equal(
        run("pad", x, begin=(0, 9), end=(0, 9), mode="reflect"), np.pad(x, ((0, 0), (9, 9)), "reflect")
    )
    np.testing.assert_array_equal(
        run("pad", iota(1), begin=(2,), end=(1,), mode="reflect"), np.pad(iota(1), (2, 1), "reflect")
    )
    with pytest.raises(TondoError, match="crop more"):
        run("pad", x, begin=(-4, 0), end=(0, 0))


def test_expand_and_tile(run):
    np.testing.assert_array_equal(run("expand", iota(3, 1), shape=(2, 1, 4)), np.broadcast_to(iota(3, 1), (2, 3, 4)))
    np.testing.assert_array_equal(run("expand", iota(3, 4), shape=(1,)), iota(3, 4))
    np.testing.assert_array_equal(run("expand", np.float32(5), shape=(2, 2)), np.full((2, 2), 5))
    np.testing.assert_array_equal(run("tile", iota(2, 1, 3), repeats=(2, 3, 1)), np.tile(iota(2, 1, 3), (2, 3, 1)))
    np.testing.assert_array_equal(run("tile", iota(2), repeats=(0,)), np.zeros(0))


def test_space_and_depth_follow_onnxruntime(run, ort):
    x = iota(2, 8, 2, 3)
    for mode in ("dcr", "crd"):
        theirs = ort("DepthToSpace", x, blocksize=2, mode=mode.upper())
        np.testing.assert_array_equal(run("depth_to_space", x, block=2, mode=mode), theirs)
    y = iota(1, 2, 4, 6)
    np.testing.assert_array_equal(run("space_to_depth", y, block=2), ort("SpaceToDepth", y, blocksize=2))
    with pytest.raises(TondoError, match="8 is not a multiple of 9"):
        infer("depth_to_space", (2, 8, 2, 3), block=3)


# ---------------------------------------------------------------------------------------------- rows


@pytest.mark.parametrize("k", [-2, 0, 1])
@pytest.mark.parametrize("upper", [False, True])
def test_trilu(run, k, upper):
    x = iota(2, 3, 4) + 1
    np.testing.assert_array_equal(run("trilu", x, upper=upper, k=k), (np.triu if upper else np.tril)(x, k))


@pytest.mark.parametrize(("time", "batch"), [(0, 1), (1, 0)])
def test_reverse_sequence_follows_onnxruntime(run, ort, time, batch):
    x = iota(4, 4, 2)
    lengths = np.array([1, 2, 3, 4])
    theirs = ort("ReverseSequence", x, lengths, time_axis=time, batch_axis=batch)
    np.testing.assert_array_equal(run("reverse_sequence", x, lengths, time_axis=time, batch_axis=batch), theirs)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_pads_given_as_a_tensor(run, rng, mode):
    x = rng.standard_normal((3, 5)).astype(np.float32)
    value = (np.float32(4),) if mode == "constant" else ()
    begin, shape = np.array([1, 2], np.int64), (6, 9)
    wanted = np.pad(x, ((1, 2), (2, 2)), mode, **({"constant_values": 4} if mode == "constant" else {}))
    got = run("pad_at", x, begin, *map(np.asarray, value), fixed=frozenset({1}), shape=shape, mode=mode)
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("k", [-5, -1, 0, 3])
def test_diagonals_given_as_a_tensor(run, rng, k):
    x = rng.standard_normal((4, 5)).astype(np.float32)
    np.testing.assert_array_equal(run("trilu", x, np.array(k), upper=True), np.triu(x, k))
    np.testing.assert_array_equal(run("trilu", x, np.array(k), upper=False), np.tril(x, k))
