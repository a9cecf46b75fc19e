"""Models with texts, sequences and optional values, native and interpreted, against onnx's reference."""

from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import tondo
import tondo_runtime
from tondo.diagnostics import TondoError
from tondo_runtime.objects import count

CONFIG = {"cache": False}
F32, I64, TEXT = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
TARGETS = pytest.mark.parametrize("target", ["native", "interp"])
node = helper.make_node


def tensor(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def sequence(name, kind=F32, shape=None):
    return helper.make_tensor_sequence_value_info(name, kind, shape)


def optional(name, inner):
    return helper.make_value_info(name, helper.make_optional_type_proto(inner.type))


def model(nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(constants))
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 4)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def same(got, wanted):
    if isinstance(wanted, list):
        assert isinstance(got, list)
        assert len(got) == len(wanted)
        for pair in zip(got, wanted, strict=True):
            same(*pair)
    elif wanted is None:
        assert got is None
    else:
        assert got.shape == np.shape(wanted)
        np.testing.assert_array_equal(got, np.asarray(wanted))


def check(made, target, *values):
    names = [value.name for value in made.graph.input]
    wanted = ReferenceEvaluator(made).run(None, dict(zip(names, values, strict=True)))
    compiled = tondo.compile(made, target=target, config=CONFIG)
    got = compiled(*values)
    for pair in zip(got if len(wanted) > 1 else [got], wanted, strict=True):
        same(*pair)
    return compiled


def several():
    return model(
        [
            node("SequenceConstruct", ["x", "y"], ["s"]), node("Constant", [], ["one"], value_int=1),
            node("SequenceAt", ["s", "one"], ["a"]), node("Add", ["a", "a"], ["b"]),
            node("SequenceInsert", ["s", "b"], ["t"]), node("SequenceErase", ["t", "one"], ["u"]),
            node("ConcatFromSequence", ["t"], ["c"], axis=0), node("SequenceLength", ["u"], ["l"]),
            node("SplitToSequence", ["c", "two"], ["p"], axis=0),
        ],
        [tensor("x", F32, [2, 3]), tensor("y", F32, ["n", 3])],
        [sequence("t"), sequence("u"), tensor("c", F32, None), tensor("l", I64, []), sequence("p")],
        [numpy_helper.from_array(np.array(2), "two")],
    )  # fmt: skip


@TARGETS
def test_sequences(target):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 3)).astype("f"), rng.standard_normal((4, 3)).astype("f")
    compiled = check(several(), target, x, y)
    assert [spec.object for spec in compiled.outputs] == ["seq(float32)", "seq(float32)", None, None, "seq(float32)"]


@TARGETS
def test_a_loop_makes_a_sequence(target):
    body = helper.make_graph(
        [
            node("Identity", ["cond"], ["more"]), node("SequenceAt", ["s", "i"], ["item"]),
            node("Shape", ["item"], ["shape"]), node("Mul", ["item", "item"], ["square"]),
            node("SequenceInsert", ["squares", "square"], ["next"]),
            node("SequenceInsert", ["shapes", "shape"], ["next_shapes"]),
        ],
        "body",
        [tensor("i", I64, []), tensor("cond", TensorProto.BOOL, []), sequence("squares"), sequence("shapes", I64)],
        [tensor("more", TensorProto.BOOL, []), sequence("next"), sequence("next_shapes", I64)],
    )  # fmt: skip
    made = model(
        [
            node("SequenceEmpty", [], ["first"]), node("SequenceEmpty", [], ["none"], dtype=I64),
            node("SequenceLength", ["s"], ["trips"]),
            node("Loop", ["trips", "", "first", "none"], ["y", "z"], body=body),
        ],
        [sequence("s", F32, [None, None])],
        [sequence("y"), sequence("z", I64)],
    )  # fmt: skip
    items = [np.full((rows, 2), rows, "f") for rows in (3, 1, 5)]
    compiled = tondo.compile(made, target=target, config=CONFIG)
    squares, shapes = compiled(items)
    same(squares, [item * item for item in items])
    same(shapes, [np.array(item.shape) for item in items])
    same(compiled([])[0], [])


@TARGETS
def test_optional_values(target):
    then = helper.make_graph([node("OptionalGetElement", ["o"], ["a"])], "then", [], [tensor("a", F32, [None])])
    other = helper.make_graph([node("Identity", ["x"], ["b"])], "else", [], [tensor("b", F32, [None])])
    made = model(
        [node("OptionalHasElement", ["o"], ["h"]), node("If", ["h"], ["y"], then_branch=then, else_branch=other)],
        [optional("o", tensor("o", F32, [None])), tensor("x", F32, ["n"])],
        [tensor("h", TensorProto.BOOL, []), tensor("y", F32, [None])],
    )
    compiled = tondo.compile(made, target=target, config=CONFIG)
    x, value = np.arange(3, dtype="f"), np.ones(5, "f")
    same(list(compiled(value, x)), [np.array(True), value])
    same(compiled(None, x)[1], x)


@TARGETS
def test_texts(target):
    labels = {"keys_strings": ["b", "c"], "values_floats": [1.5, 2.5], "default_float": -1.0}
    made = model(
        [
            node("StringConcat", ["x", "suffix"], ["joined"]), node("Equal", ["x", "y"], ["same"]),
            node("RegexFullMatch", ["x"], ["matched"], pattern="[a-b]+"),
            node("LabelEncoder", ["x"], ["number"], domain="ai.onnx.ml", **labels),
            node("Add", ["number", "number"], ["twice"]),
            node("StringSplit", ["y"], ["parts", "counts"], delimiter="-"),
        ],
        [tensor("x", TEXT, ["n"]), tensor("y", TEXT, ["n"])],
        [
            tensor("joined", TEXT, ["n"]), tensor("same", TensorProto.BOOL, ["n"]),
            tensor("matched", TensorProto.BOOL, ["n"]), tensor("twice", F32, ["n"]),
            tensor("parts", TEXT, [None, None]), tensor("counts", I64, [None]),
        ],
        [helper.make_tensor("suffix", TEXT, [1], [b"!"])],
    )  # fmt: skip
    check(made, target, np.array(["a", "b", "c"], object), np.array(["a", "b-x", "c-y-z"], object))


@TARGETS
def test_numbers_become_texts_and_back(target):
    made = model(
        [node("Cast", ["x"], ["t"], to=TEXT), node("Cast", ["t"], ["y"], to=F32), node("Cast", ["w"], ["i"], to=I64)],
        [tensor("x", F32, [None]), tensor("w", TEXT, [None])],
        [tensor("t", TEXT, [None]), tensor("y", F32, [None]), tensor("i", I64, [None])],
    )
    compiled = tondo.compile(made, target=target, config=CONFIG)
    x = np.array([0.1, -3, 1e-7, np.inf], "f")
    written, read, whole = compiled(x, ["12", "-7"])
    assert written.tolist()[:2] == ["0.1", "-3"]
    same(read, x)
    same(whole, np.array([12, -7]))


def test_an_artifact_keeps_what_its_values_are(tmp_path):
    x, y = np.ones((2, 3), "f"), np.zeros((1, 3), "f")
    compiled = tondo.compile(several(), config=CONFIG)
    compiled.save(tmp_path / "m.tondo")
    loaded = tondo_runtime.load(tmp_path / "m.tondo")
    assert loaded.outputs == compiled.outputs
    for pair in zip(loaded(x, y), compiled(x, y), strict=True):
        same(*pair)


def test_nothing_outlives_a_call():
    compiled = tondo.compile(several(), config=CONFIG)
    x, y = np.ones((2, 3), "f"), np.zeros((700, 3), "f")

    def used(calls):
        for _ in range(calls):
            compiled(x, y)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = used(20)
        assert used(1000) - before < 20_000
    finally:
        tracemalloc.stop()
    assert count() == 0


def test_a_failure_names_the_function():
    made = model(
        [node("SequenceAt", ["s", "i"], ["y"])], [sequence("s", F32, [None]), tensor("i", I64, [])],
        [tensor("y", F32, [None])],
    )  # fmt: skip
    compiled = tondo.compile(made, config=CONFIG)
    same(compiled([np.ones(2, "f")], np.array(0)), np.ones(2, "f"))
    with pytest.raises(tondo_runtime.RuntimeFailure, match=r"position 5 is outside of a sequence of 1 items"):
        compiled([np.ones(2, "f")], np.array(5))
    with pytest.raises(tondo_runtime.RuntimeFailure, match="the input 's' is a float, not a list"):
        compiled(1.0, np.array(5))
    assert count() == 0


def test_operators_on_tensors_refuse_other_values():
    made = model([node("Relu", ["s"], ["y"])], [sequence("s", F32, [None])], [tensor("y", F32, [None])])
    with pytest.raises(TondoError, match="cannot work on seq") as caught:
        tondo.compile(made, config=CONFIG)
    assert caught.value.code == "TND-M003"


def test_an_item_of_unknown_rank_is_refused():
    made = model(
        [node("SequenceAt", ["s", "i"], ["y"])], [sequence("s", F32, None), tensor("i", I64, [])],
        [tensor("y", F32, None)],
    )  # fmt: skip
    with pytest.raises(TondoError, match="declare the shapes of the items"):
        tondo.compile(made, config=CONFIG)


def test_classes_may_be_texts():
    made = model(
        [
            node(
                "LinearClassifier", ["x"], ["y", "z"], domain="ai.onnx.ml",
                coefficients=[1.0, 0.0, 0.0, 1.0, -1.0, -1.0], intercepts=[0.0, 0.0, 0.0],
                classlabels_strings=["cat", "dog", "emu"],
            )
        ],
        [tensor("x", F32, ["n", 2])],
        [tensor("y", TEXT, ["n"]), tensor("z", F32, ["n", 3])],
    )  # fmt: skip
    labels, _ = tondo.compile(made, config=CONFIG)(np.array([[0, 1], [2, 1], [-1, -1]], "f"))
    assert labels.tolist() == ["dog", "cat", "emu"]
