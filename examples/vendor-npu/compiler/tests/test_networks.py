"""ResNet-50 and BERT-base on the accelerator, against onnxruntime."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import tondo
import tondo_npu_runtime

ort = pytest.importorskip("onnxruntime")
EXAMPLES = Path(__file__).parents[4] / "examples"
EXPORTS = Path(os.environ.get("TONDO_TEST_MODELS", "missing"))
TOLERANCE = 1e-4
"""Largest difference, relative to the range of the result."""

pytestmark = [pytest.mark.long, pytest.mark.llvm]


def check(model: onnx.ModelProto | str, feeds: dict[str, np.ndarray], kernels: int) -> None:
    data = model if isinstance(model, str) else model.SerializeToString()
    wanted = ort.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, feeds)
    compiled = tondo.compile(model, target="npu", threads=1, config={"cache": False})
    with tondo_npu_runtime.profile() as report:
        made = list(compiled.run(feeds).values())
    for one, other in zip(made, wanted, strict=True):
        assert np.abs(one - other).max() <= TOLERANCE * np.ptp(other)
    assert report.total().calls == kernels
    assert report.total().utilisation > 0.5


def test_resnet50() -> None:
    sys.path.insert(0, str(EXAMPLES))
    networks = pytest.importorskip("networks")
    model = networks.light_model("resnet50")
    model.ir_version = min(model.ir_version, 10)
    check(model, {model.graph.input[0].name: networks.picture(batch=1, size=224)}, kernels=54)


@pytest.mark.skipif(not (EXPORTS / "bert_base").is_dir(), reason="TONDO_TEST_MODELS names no folder with bert_base")
def test_bert_base() -> None:
    folder = EXPORTS / "bert_base"
    with np.load(folder / "inputs.npz") as stored:
        feeds = {name: stored[name] for name in stored.files}
    check(str(folder / "model.onnx"), feeds, kernels=97)
