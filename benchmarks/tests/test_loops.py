"""Recurrent layers and decoders are valid models that say the same in both engines."""

from __future__ import annotations

from functools import partial

import numpy as np
import onnx
import onnxruntime
import pytest

import tondo
from tondo_bench.loops import VOCABULARY, decoder, recurrent
from tondo_bench.zoo import LOOPS, choose, prepare

pytestmark = pytest.mark.llvm

MODELS = {
    **{kind: partial(recurrent, kind, 3, 2, 16) for kind in ("LSTM", "GRU", "RNN")},
    "both": partial(recurrent, "GRU", 3, 2, 16, both=True),
    **{f"decoder_{cell}": partial(decoder, cell, 5, 2, 16) for cell in ("lstm", "attention")},
}


@pytest.mark.parametrize("name", MODELS)
def test_both_engines_agree(name):
    model = MODELS[name]()
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    x = np.array([7, 9]) if given.name == "input_ids" else np.random.default_rng(0).standard_normal((3, 2, 16), "f4")
    expected = session.run(None, {given.name: x})
    found = tondo.compile(model, threads=1).run({given.name: x})
    for array, wanted in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(array, wanted, atol=1e-5)
    if given.name == "input_ids":
        assert expected[0].shape == (5, 2)
        assert len(np.unique(expected[0])) > 3
        assert expected[0].max() < VOCABULARY


def test_cases_are_written_with_an_input(tmp_path):
    (case,), skipped = choose(["decoder_lstm_64"], None, LOOPS)
    prepared = prepare(case, None, tmp_path)
    assert not skipped
    with np.load(prepared.feed) as feed:
        assert feed["input_ids"].shape == (1,)
    assert "Loop" in [node.op_type for node in onnx.load(prepared.model).graph.node]
