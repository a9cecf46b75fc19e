"""Whole networks with random weights against onnxruntime: fixed and any batch, one and two threads."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from light_batch import BATCH, free_reshapes, with_any_batch
from reference import of_range, session

import tondo
import tondo_runtime
from networks import LIGHT_MODELS, light_model, picture

pytestmark = [pytest.mark.slow, pytest.mark.llvm]

TOLERANCE = 1e-4
"""Largest difference, as a part of the range of the output."""

TRANSFORMERS = (
    "bert_base",
    "gpt2_small_decode",
    "llama_small_decode",
    "llama_small_prefill",
    "mobilenet_v2",
    "resnet50",
    "vit_base",
)


class Judge:
    """Records every difference, and fails with all of them if one is too large."""

    def __init__(self, record):
        self.record = record
        self.found: dict[str, float] = {}

    def compare(self, case: str, found, expected) -> None:
        self.found[case] = of_range(found, expected)
        self.record(case, f"{self.found[case]:.2e}")

    def decide(self) -> None:
        text = ", ".join(f"{case}: {value:.2e}" for case, value in self.found.items())
        assert max(self.found.values()) <= TOLERANCE, f"difference to onnxruntime as a part of the range: {text}"


@pytest.fixture
def judge(record_property):
    return Judge(record_property)


@pytest.mark.parametrize("name", LIGHT_MODELS)
def test_a_network_with_any_batch(name, judge, tmp_path):
    model = light_model(name)
    data = model.graph.input[0].name
    engine = session(with_any_batch(model))
    pictures = {batch: picture(seed=batch, batch=batch) for batch in (1, 3)}
    expected = {batch: engine.run(None, {data: image})[0] for batch, image in pictures.items()}
    del engine
    free_reshapes(model)
    config = {"model": {"inputs": {data: [BATCH, 3, 224, 224]}}}
    compiled = tondo.compile(model, config=config, threads=2)
    del model
    assert compiled.inputs[0].shape == (BATCH, 3, 224, 224)
    for batch, image in pictures.items():
        judge.compare(f"batch {batch}, 2 threads", compiled(image), expected[batch])
    path = tmp_path / f"{name}.tondo"
    compiled.save(path)
    compiled.close()
    with tondo_runtime.load(path, threads=1) as loaded:
        for batch, image in pictures.items():
            judge.compare(f"batch {batch}, 1 thread, loaded", loaded(image), expected[batch])
    path.unlink()
    judge.decide()


def check_fixed(name, batch, threads, judge):
    model = light_model(name)
    data = model.graph.input[0].name
    image = picture(seed=7, batch=batch)
    (expected,) = session(with_any_batch(model)).run(None, {data: image})
    free_reshapes(model)
    config = {"model": {"inputs": {data: [batch, 3, 224, 224]}}}
    compiled = tondo.compile(model, config=config, threads=threads)
    assert compiled.inputs[0].shape == (batch, 3, 224, 224)
    judge.compare(f"fixed batch {batch}, {threads} threads", compiled(image), expected)
    judge.decide()


@pytest.mark.parametrize(("name", "batch", "threads"), [("resnet50", 1, 2), ("shufflenet", 3, 1), ("squeezenet", 1, 1)])
def test_a_network_with_a_fixed_batch(name, batch, threads, judge):
    check_fixed(name, batch, threads, judge)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", LIGHT_MODELS)
def test_every_network_with_a_fixed_batch(name, batch, threads, judge):
    check_fixed(name, batch, threads, judge)


def test_all_weights_count():
    """The seeded weights are no constants, the output is no constant, and another seed gives another answer."""
    model, other = light_model("squeezenet", seed=0), light_model("squeezenet", seed=1)
    data = model.graph.input[0].name
    image = picture()
    first, second = (session(entry).run(None, {data: image})[0] for entry in (model, other))
    assert np.ptp(first) > 1e-3
    assert np.abs(first - second).max() > 1e-3
    for tensor in model.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        assert value.size < 2 or value.dtype != np.float32 or np.ptp(value) > 0


def run_exported(path, feed) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    engine = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in engine.get_outputs()]
    return dict(zip(names, engine.run(names, feed), strict=True))


def arrays(path) -> dict[str, np.ndarray]:
    with np.load(path) as content:
        return {name: content[name] for name in content.files}


@pytest.mark.long
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_an_exported_model_with_any_sizes(name, exported, judge, tmp_path):
    folder = exported(name)
    feeds = {part: arrays(folder / f"{part}.npz") for part in ("inputs", "bench")}
    compiled = tondo.compile(folder / "model.onnx", threads=2)
    expected = {part: run_exported(folder / "model.onnx", feed) for part, feed in feeds.items()}
    compiled.save(tmp_path / "model.tondo")
    with tondo_runtime.load(tmp_path / "model.tondo", threads=1) as loaded:
        for part, feed in feeds.items():
            for threads, engine in ((2, compiled), (1, loaded)):
                for output, value in engine.run(feed).items():
                    judge.compare(f"{part} {output}, {threads} threads", value, expected[part][output])
    (tmp_path / "model.tondo").unlink()
    judge.decide()


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_an_exported_model_with_fixed_sizes(name, threads, exported, judge):
    folder = exported(name)
    feed = arrays(folder / "bench.npz")
    config = {"model": {"inputs": {key: list(value.shape) for key, value in feed.items()}}}
    compiled = tondo.compile(folder / "model.onnx", threads=threads, config=config)
    assert {spec.name: spec.shape for spec in compiled.inputs} == {key: value.shape for key, value in feed.items()}
    expected = run_exported(folder / "model.onnx", feed)
    for output, value in compiled.run(feed).items():
        judge.compare(output, value, expected[output])
    judge.decide()
