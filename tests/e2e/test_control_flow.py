"""Control flow and sizes that contents decide: as machine code and interpreted, compared with onnxruntime."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import tondo

F, I, B = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
node, info = helper.make_node, helper.make_tensor_value_info


def graph(nodes, inputs, outputs, **constants):
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    return helper.make_graph(
        nodes, "graph", [info(*entry) for entry in inputs], [info(*entry) for entry in outputs], stored
    )


def model(*parts, **constants):
    return helper.make_model(graph(*parts, **constants), opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def check(made, feeds, interpreted=True):
    """Compare the results for ``feeds``; return the compiled model."""
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    compiled = tondo.compile(made, threads=2, config={"verify": "each-pass"})
    models = [compiled, tondo.compile(made, target="interp")] if interpreted else [compiled]
    for feed in feeds:
        wanted = session.run(None, feed)
        for each in models:
            for mine, other in zip(each.run(feed).values(), wanted, strict=True):
                assert mine.shape == other.shape
                assert mine.dtype == other.dtype
                np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
    return compiled


def draw(*shape):
    return np.random.default_rng(sum(shape) + len(shape)).standard_normal(shape).astype(np.float32)


def growing():
    """A cache that every trip makes one row longer, and a result of every trip."""
    body = graph(
        [
            node("Concat", ["cache", "x"], ["longer"], axis=0),
            node("ReduceSum", ["longer", "axis"], ["sum"], keepdims=0),
            node("Identity", ["alive"], ["go"]),
        ],
        [("i", I, []), ("alive", B, []), ("cache", F, [None, 4])],
        [("go", B, []), ("longer", F, [None, 4]), ("sum", F, [4])],
        axis=[0],
    )
    return model(
        [node("Loop", ["trips", "", "first"], ["final", "sums"], body=body)],
        [("trips", I, []), ("first", F, ["n", 4]), ("x", F, [1, 4])],
        [("final", F, [None, 4]), ("sums", F, [None, 4])],
    )


def feed_growing(trips, rows):
    return {"trips": np.array(trips), "first": draw(rows, 4), "x": draw(1, 4)}


def test_a_growing_cache():
    compiled = check(growing(), [feed_growing(trips, rows) for trips in (0, 1, 2, 30) for rows in (1, 3)])
    arrays = compiled.engine._memory.arenas
    feed = feed_growing(30, 3)
    kept = None
    for _ in range(20):
        compiled.run(feed)
        assert len(arrays) == 1
        sizes = [None if memory is None else memory.size for memory in arrays[0].slots._memory]
        assert kept in (None, sizes), "memory does not grow from call to call"
        kept = sizes


def test_branches_of_different_shapes():
    inner = [
        graph([node("Mul", ["x", "x"], ["square"])], [], [("square", F, None)]),
        graph([node("Concat", ["x", "x"], ["twice"], axis=0)], [], [("twice", F, None)]),
    ]
    then = graph([node("If", ["second"], ["r"], then_branch=inner[0], else_branch=inner[1])], [], [("r", F, None)])
    found = [
        node("NonZero", ["x"], ["at"]),
        node("Cast", ["at"], ["real"], to=F),
        node("Transpose", ["real"], ["rows"]),
    ]
    orelse = graph(found, [], [("rows", F, None)])
    made = model(
        [
            node("If", ["first"], ["y"], then_branch=then, else_branch=orelse),
            node("Relu", ["y"], ["z"]),
            node("ReduceSum", ["z"], ["t"], keepdims=0),
        ],
        [("first", B, []), ("second", B, [1]), ("x", F, ["n", 2])],
        [("z", F, [None, 2]), ("t", F, [])],
    )
    flags = [(one, other) for one in (True, False) for other in (True, False)]
    inputs = [draw(rows, 2) * (draw(rows, 2) > limit) for rows in (1, 5) for limit in (0.0, 9.0)]
    check(made, [{"first": np.array(a), "second": np.array([b]), "x": x} for a, b in flags for x in inputs])


def test_loops_in_loops_that_a_condition_ends():
    inner = graph(
        [node("Add", ["a", "one"], ["b"]), node("Identity", ["more"], ["still"])],
        [("j", I, []), ("more", B, []), ("a", F, [3])],
        [("still", B, []), ("b", F, [3])],
    )
    body = graph(
        [
            node("Loop", ["i", "", "v"], ["w"], body=inner),
            node("ReduceMax", ["w"], ["top"], keepdims=0),
            node("Less", ["top", "limit"], ["go"]),
        ],
        [("i", I, []), ("alive", B, []), ("v", F, [3])],
        [("go", B, []), ("w", F, [3]), ("top", F, [])],
    )
    made = model(
        [node("Loop", ["", "begin", "x"], ["y", "tops"], body=body)],
        [("begin", B, []), ("x", F, [3]), ("limit", F, [])],
        [("y", F, [3]), ("tops", F, [None])],
        one=np.float32(1),
    )
    cases = [(begin, limit) for begin in (True, False) for limit in (-5, 0, 5, 30)]
    check(made, [{"begin": np.array(a), "x": draw(3), "limit": np.array(b, np.float32)} for a, b in cases])


def scanning(axis, backward):
    body = graph(
        [node("Add", ["s", "a"], ["t"]), node("Mul", ["t", "b"], ["u"]), node("Identity", ["t"], ["v"])],
        [("s", F, [2]), ("a", F, [2]), ("b", F, [2])],
        [("t", F, [2]), ("u", F, [2]), ("v", F, [2])],
    )
    scan = node(
        "Scan", ["start", "x", "y"], ["end", "us", "vs"], body=body, num_scan_inputs=2, scan_input_axes=[axis, 0],
        scan_input_directions=[backward, 0], scan_output_axes=[0, 1], scan_output_directions=[0, backward],
    )  # fmt: skip
    shape = [2, "n"] if axis else ["n", 2]
    return model(
        [scan],
        [("start", F, [2]), ("x", F, shape), ("y", F, ["n", 2])],
        [("end", F, [2]), ("us", F, None), ("vs", F, None)],
    )


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("backward", [0, 1])
def test_scans(axis, backward):
    feeds = [{"start": draw(2), "x": draw(2, n) if axis else draw(n, 2), "y": draw(n, 2)} for n in (1, 6)]
    check(scanning(axis, backward), feeds)


def chain():
    """What a mask keeps goes through a product and a softmax."""
    return model(
        [
            node("NonZero", ["mask"], ["at"]),
            node("Squeeze", ["at", "axis"], ["rows"]),
            node("Gather", ["x", "rows"], ["kept"], axis=0),
            node("MatMul", ["kept", "w"], ["y"]),
            node("Softmax", ["y"], ["p"], axis=-1),
            node("ReduceSum", ["p", "axis"], ["s"], keepdims=0),
        ],
        [("mask", B, ["n"]), ("x", F, ["n", 16])],
        [("p", F, [None, 8]), ("s", F, [8]), ("rows", I, [None])],
        w=draw(16, 8),
        axis=[0],
    )


def test_results_of_unknown_size_and_saved_models(tmp_path):
    compiled = check(
        chain(), [{"mask": draw(n) > limit, "x": draw(n, 16)} for n in (1, 7, 300) for limit in (-9, 0, 9)]
    )
    compiled.save(tmp_path / "chain.tondo")
    text = """
import sys, numpy, tondo_runtime
model = tondo_runtime.load(sys.argv[1])
results = model(numpy.array([True, False, True]), numpy.ones((3, 16), numpy.float32))
print([array.shape for array in results], "tondo" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", text, tmp_path / "chain.tondo"], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[(2, 8), (8,), (2,)] False"


@pytest.mark.parametrize(
    ("shape", "target"),
    [((2, 3, 4), (4, -1)), ((2, 3, 4), (0, -1, 2)), ((6,), (1, 6)), ((4,), (2, 2))],
)
def test_reshapes_by_contents(shape, target):
    made = model([node("Reshape", ["x", "to"], ["y"])], [("x", F, shape), ("to", I, [len(target)])], [("y", F, None)])
    check(made, [{"x": draw(*shape), "to": np.array(target)}])


def test_a_shape_that_does_not_fit_is_refused():
    made = model([node("Reshape", ["x", "to"], ["y"])], [("x", F, [4]), ("to", I, [2])], [("y", F, None)])
    compiled = tondo.compile(made)
    with pytest.raises(Exception, match="is not as declared"):
        compiled(draw(4), np.array([3, 2]))
    with pytest.raises(Exception, match="is negative"):
        compiled(draw(4), np.array([-2, -2]))
    assert compiled(draw(4), np.array([2, 2])).shape == (2, 2)


SLICES = [
    ([0, 0], [3, 10], [0, 1], [1, 1]),
    ([-3], [-1], [1], [1]),
    ([20], [0], [0], [-1]),
    ([1, 3], [1000, 1000], [1, 0], [3, 2]),
    ([5], [2], [-1], [1]),
    ([-1], [-1000], [-2], [-2]),
]


@pytest.mark.parametrize("constant", [(), ("axes",), ("axes", "steps")])
@pytest.mark.parametrize("places", SLICES)
def test_slices_by_contents(constant, places):
    given = {name: np.array(value) for name, value in zip(("starts", "ends", "axes", "steps"), places, strict=True)}
    fixed = {name: given.pop(name) for name in constant}
    inputs = [("x", F, [20, 10, 5][:2]), *[(name, I, list(value.shape)) for name, value in given.items()]]
    made = model([node("Slice", ["x", "starts", "ends", "axes", "steps"], ["y"])], inputs, [("y", F, None)], **fixed)
    check(made, [{"x": draw(20, 10), **given}])


@pytest.mark.parametrize(
    ("kind", "cases"),
    [
        (np.int64, [(0, 10, 3), (5, -6, -4), (3, 3, 1), (3, 0, 1)]),
        (np.int32, [(2, 9, 2)]),
        (np.float32, [(0.5, 3.0, 0.25), (1.0, -1.0, -0.5), (1.0, 0.0, 2.0)]),
    ],
)
def test_ranges_by_contents(kind, cases):
    code = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    made = model([node("Range", ["a", "b", "c"], ["y"])], [(name, code, []) for name in "abc"], [("y", code, [None])])
    check(made, [{name: np.array(value, kind) for name, value in zip("abc", case, strict=True)} for case in cases])


def test_sizes_that_contents_decide():
    made = model(
        [
            node("ConstantOfShape", ["shape"], ["zeros"]),
            node("Expand", ["x", "shape"], ["wide"]),
            node("Tile", ["x", "repeats"], ["many"]),
            node("Compress", ["x", "mask"], ["some"], axis=1),
            node("TopK", ["x", "k"], ["top", "at"], axis=1),
            node("Add", ["zeros", "wide"], ["sum"]),
        ],
        [("shape", I, [2]), ("x", F, [1, 6]), ("repeats", I, [2]), ("mask", B, [6]), ("k", I, [1])],
        [("sum", F, None), ("many", F, None), ("some", F, None), ("top", F, None), ("at", I, None)],
    )
    feeds = [
        {
            "shape": np.array([n, 6]),
            "x": draw(1, 6),
            "repeats": np.array([n, 2]),
            "mask": draw(6) > 0,
            "k": np.array([k]),
        }
        for n, k in ((1, 1), (3, 6), (40, 2))
    ]
    check(made, feeds)
