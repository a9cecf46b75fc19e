from __future__ import annotations

import numpy as np
import pytest

from tondo_runtime import RuntimeFailure, get
from tondo_runtime.manifest import TensorSpec
from tondo_runtime.manifest_json import parse_manifest
from tondo_runtime.objects import count, give, is_kind, put, scope, take
from tondo_runtime.objects import get as value_of

F32 = np.float32


def call(name, *args, **attrs):
    """Call a function that writes a handle; return what it stands for."""
    out = np.zeros((), np.int64)
    get(f"tondo.{name}")(*args, out, **attrs)
    return value_of(out)


def handle(value):
    return np.array(put(value))


def test_values_live_as_long_as_their_call():
    with scope():
        first = put("a")
        with scope():
            inner = put("b")
            assert value_of(inner) == "b"
            assert count() == 2
        assert value_of(first) == "a"
        assert count() == 1
    assert count() == 0
    with pytest.raises(RuntimeFailure, match="no handle of this call"):
        value_of(first)
    with pytest.raises(RuntimeFailure, match="outside of a call"):
        put("c")


@pytest.mark.parametrize("kind", ["text", "seq(float32)", "opt(seq(text))", "seq(opt(int64))"])
def test_kinds(kind):
    assert is_kind(kind)


@pytest.mark.parametrize("kind", ["float32", "", "seq()", "seq(float33)", "map(text)", "seq(" * 99 + "text" + ")" * 99])
def test_what_is_no_kind(kind):
    assert not is_kind(kind)


def test_texts_come_in_many_forms():
    for given in (["a", "b"], np.array(["a", "b"]), np.array(["a", b"b"], object)):
        found = take("text", given, "x")
        assert found.dtype == object
        assert found.tolist() == ["a", "b"]
    assert take("text", "a", "x").shape == ()
    with pytest.raises(RuntimeFailure, match="x is a int, not a text"):
        take("text", ["a", 3], "x")


def test_sequences_and_optional_values_are_checked():
    assert take("opt(seq(float32))", None, "x") is None
    found = take("seq(float32)", [np.zeros(2, F32)], "x")
    assert isinstance(found, tuple)
    assert isinstance(give(found), list)
    with pytest.raises(RuntimeFailure, match="item 0 of x has element type float64, the model expects float32"):
        take("seq(float32)", [np.zeros(2)], "x")
    with pytest.raises(RuntimeFailure, match="x is a ndarray, not a list"):
        take("seq(float32)", np.zeros(2, F32), "x")


def test_sequence_functions():
    a, b = np.arange(3, dtype=F32), np.ones((2, 2), F32)
    with scope():
        made = call("sequence.make", a, b)
        a[0] = 9
        assert made[0][0] == 0, "the memory of a tensor belongs to the call"
        pair = handle(made)
        assert [item.shape for item in call("sequence.insert", pair, b, np.array(0))] == [(2, 2), (3,), (2, 2)]
        assert len(call("sequence.erase", pair)) == 1
        assert get("tondo.sequence.at")(pair, np.array(-2)).shape == (3,)
        for place in (2, -3):
            with pytest.raises(RuntimeFailure, match="outside of a sequence of 2 items"):
                get("tondo.sequence.at")(pair, np.array(place))


@pytest.mark.parametrize(
    ("sizes", "wanted"), [((), [1, 1, 1, 1, 1]), ((np.array(2),), [2, 2, 1]), ((np.array([4, 1]),), [4, 1])]
)
def test_split(sizes, wanted):
    with scope():
        found = call("sequence.split", np.zeros((5, 2), F32), *sizes, axis=0)
        assert [part.shape for part in found] == [(size, 2) for size in wanted]


@pytest.mark.parametrize("sizes", [np.array(0), np.array([4, 2]), np.array([6, -1])])
def test_a_split_that_does_not_fit_is_refused(sizes):
    with scope(), pytest.raises(RuntimeFailure):
        call("sequence.split", np.zeros((5, 2), F32), sizes, axis=0)


def test_empty_optional_values_and_sequences_have_nothing():
    with scope():
        nothing = handle(None)
        with pytest.raises(RuntimeFailure, match="has no element"):
            get("tondo.optional.get")(nothing)
        with pytest.raises(RuntimeFailure, match="empty sequence"):
            get("tondo.sequence.concat")(handle(()), axis=0)


def test_texts_that_are_no_numbers_are_refused():
    with scope():
        words = handle(take("text", ["1", "x"], "x"))
        with pytest.raises(RuntimeFailure, match="a text is no int32"):
            get("tondo.text.parse")(words, element="int32")


@pytest.mark.parametrize(
    ("kind", "values", "wanted"),
    [
        ("float32", [0.1, 2, np.nan, -np.inf], ["0.1", "2", "NaN", "-INF"]), ("int8", [-3], ["-3"]),
        ("bool", [True], ["1"]),
    ],
)  # fmt: skip
def test_numbers_as_texts(kind, values, wanted):
    with scope():
        assert call("text.format", np.array(values, kind)).tolist() == wanted


def test_the_manifest_knows_what_handles_stand_for(manifest_json):
    spec = TensorSpec("x", "int64", (), None, "seq(text)")
    data = manifest_json(inputs=[spec])
    assert parse_manifest(data).inputs == (spec,)
    for broken in (TensorSpec("x", "int64", (2,), None, "text"), TensorSpec("x", "int64", (), None, "list")):
        with pytest.raises(RuntimeFailure, match="no handle of a value"):
            parse_manifest(manifest_json(inputs=[broken]))


@pytest.fixture
def manifest_json():
    import json

    from tondo_runtime import Manifest

    def make(inputs):
        return json.dumps(Manifest("m", "main", tuple(inputs), ()).to_json())

    return make
