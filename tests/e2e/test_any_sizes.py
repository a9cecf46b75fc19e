"""One artifact serves every size: models with symbolic dimensions at several sizes each, against onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime
import pytest
from reference import of_size, session
from small_networks import NETWORKS

import tondo
import tondo_runtime

pytestmark = [pytest.mark.slow, pytest.mark.llvm]

TOLERANCE = 1e-4
"""Largest difference, as a part of the size of the output."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of dimensions by name; what a dimension is called decides it where several names mean the same."""

    values: Mapping[str, int]

    def of(self, dim: str | int) -> int:
        if isinstance(dim, int):
            return dim
        return self.values[dim] if dim in self.values else self.values["past_seq"] + 1

    def __str__(self) -> str:
        return "-".join(f"{name}{size}" for name, size in self.values.items())


def sizes(**lists: list[int]) -> list[Sizes]:
    names = list(lists)
    return [Sizes(dict(zip(names, values, strict=True))) for values in zip(*lists.values(), strict=True)]


SMALL = {
    "encoder": sizes(batch=[1, 1, 2, 3, 1, 5], seq=[1, 2, 7, 16, 65, 33]),
    "decoder_step": sizes(batch=[1, 1, 3, 2, 7, 1, 3], past=[1, 16, 5, 33, 64, 0, 0]),
    "residual": sizes(batch=[1, 2, 3, 1], height=[32, 33, 47, 64], width=[32, 40, 31, 17]),
    "patches": sizes(batch=[1, 2, 3, 8]),
}

EXPORTS = {
    "bert_base": sizes(batch=[1, 3, 1, 2, 5], seq=[1, 7, 128, 130, 33]),
    "gpt2_small_decode": sizes(batch=[1, 3, 1, 2, 1, 3], past_seq=[1, 7, 64, 129, 0, 0]),
    "llama_small_decode": sizes(batch=[1, 3, 1, 2, 1, 3], past_seq=[1, 7, 64, 129, 0, 0]),
    "llama_small_prefill": sizes(batch=[1, 3, 1, 2], seq=[1, 7, 128, 131]),
    "mobilenet_v2": sizes(batch=[1, 2, 3, 5]),
    "resnet50": sizes(batch=[1, 2, 3]),
    "vit_base": sizes(batch=[1, 2, 3]),
}


def feeds(engine: onnxruntime.InferenceSession, chosen: Sizes, seed: int) -> dict[str, np.ndarray]:
    """Return inputs: tokens, positions at the end, a mask that hides a little of every row but the first, noise."""
    generator = np.random.default_rng(seed)
    found: dict[str, np.ndarray] = {}
    for entry in engine.get_inputs():
        shape = [chosen.of(dim) for dim in entry.shape]
        if "mask" in entry.name:
            mask = np.ones(shape, np.int64)
            for row in range(1, shape[0]):
                mask[row, : min(row, shape[1] - 1)] = 0
            found[entry.name] = mask
        elif entry.name == "position_ids":
            found[entry.name] = np.full(shape, chosen.values["past_seq"], np.int64)
        elif "int64" in entry.type:
            found[entry.name] = generator.integers(0, 97, shape)
        else:
            found[entry.name] = generator.standard_normal(shape).astype(np.float32)
    return found


def check(model, engine: onnxruntime.InferenceSession, cases: list[Sizes], record) -> None:
    names = [output.name for output in engine.get_outputs()]
    worst: dict[str, float] = {}
    for number, chosen in enumerate(cases):
        given = feeds(engine, chosen, number)
        expected = dict(zip(names, engine.run(None, given), strict=True))
        found = model.run(given)
        worst[str(chosen)] = max(of_size(found[name], expected[name]) for name in names)
    record("differences", ", ".join(f"{case}: {value:.1e}" for case, value in worst.items()))
    assert max(worst.values()) <= TOLERANCE, worst


@pytest.mark.parametrize("name", SMALL)
def test_a_small_network_at_every_size(name, record_property, tmp_path):
    model = NETWORKS[name]()
    compiled = tondo.compile(model, threads=2)
    check(compiled, session(model), SMALL[name], record_property)
    compiled.save(tmp_path / "model.tondo")
    compiled.close()
    with tondo_runtime.load(tmp_path / "model.tondo", threads=1) as loaded:
        check(loaded, session(model), SMALL[name], record_property)


@pytest.mark.long
@pytest.mark.parametrize("name", EXPORTS)
def test_an_exported_model_at_every_size(name, exported, record_property):
    path = exported(name) / "model.onnx"
    check(tondo.compile(path, threads=2), session(str(path)), EXPORTS[name], record_property)
