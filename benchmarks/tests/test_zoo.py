"""Which models are chosen and what their inputs are."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from tondo_bench.zoo import CASES, LOOPS, choose, make_feed


def model(**inputs):
    values = [helper.make_tensor_value_info(name, kind, dims) for name, (kind, dims) in inputs.items()]
    return helper.make_model(helper.make_graph([], "g", values, []))


def test_exports_are_skipped_with_a_reason(tmp_path):
    chosen, skipped = choose(["vit", "zfnet"], None)
    assert [case.name for case in chosen] == ["light_zfnet512"]
    assert "--models" in skipped["vit_base"]
    assert "vit_base/model.onnx" in choose(["vit"], tmp_path)[1]["vit_base"]


def test_exports_are_found(tmp_path):
    (tmp_path / "vit_base").mkdir()
    (tmp_path / "vit_base" / "model.onnx").touch()
    chosen, skipped = choose(["vit"], tmp_path)
    assert ([case.name for case in chosen], skipped) == (["vit_base"], {})


def test_names_are_unique():
    for cases, count in ((CASES, 15), (LOOPS, 19)):
        names = [case.name for case in cases]
        assert len(names) == len(set(names)) == count


def test_inputs_of_a_decoder():
    found = make_feed(
        model(
            input_ids=(TensorProto.INT64, ["batch", 1]),
            attention_mask=(TensorProto.INT64, ["batch", "s53"]),
            position_ids=(TensorProto.INT64, ["batch", 1]),
            past=(TensorProto.FLOAT, ["batch", 12, "past_seq", 64]),
        ),
        {"batch": 1, "past_seq": 128},
        seed=0,
    )
    assert found["past"].shape == (1, 12, 128, 64)
    assert found["past"].dtype == np.float32
    np.testing.assert_array_equal(found["attention_mask"], np.ones((1, 129)))
    np.testing.assert_array_equal(found["position_ids"], [[128]])
    assert found["input_ids"].dtype == np.int64


def test_pictures_are_pictures_and_seeds_repeat():
    proto = model(pixel_values=(TensorProto.FLOAT, ["batch", 3, 8, 8]), other=(TensorProto.FLOAT, [2, 2]))
    first, second = (make_feed(proto, {"batch": 2}, seed=3) for _ in range(2))
    assert first["pixel_values"].shape == (2, 3, 8, 8)
    np.testing.assert_array_equal(first["other"], second["other"])
