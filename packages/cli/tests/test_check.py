"""``tondo check``: operators of a model, how they will run, and what is missing, all at once."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper


@pytest.fixture
def save(tmp_path):
    def write(*nodes: onnx.NodeProto) -> str:
        graph = helper.make_graph(
            list(nodes),
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
            [helper.make_empty_tensor_value_info("y")],
        )
        imports = [helper.make_opsetid("", 20), helper.make_opsetid("com.acme", 1)]
        path = tmp_path / "m.onnx"
        onnx.save(helper.make_model(graph, ir_version=10, opset_imports=imports), path)
        return str(path)

    return write


def test_supported_models(tondo, save):
    model = save(
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Reshape", ["x", "s"], ["r"]),
        helper.make_node("Relu", ["r"], ["a"]),
        helper.make_node("Relu", ["a"], ["y"]),
    )
    done = tondo("check", model)
    assert done.status == 0
    assert "all 4 nodes are supported" in done.out
    found = {entry["operator"]: entry for entry in tondo("check", model, "--json").json["operators"]}
    assert found["Relu"]["route"] == "generated"
    assert (found["Relu"]["version"], found["Relu"]["types"], found["Relu"]["nodes"]) == (20, ["float32"], 2)
    assert found["Shape"]["route"] == found["Reshape"]["route"] == "import"


def test_all_problems_at_once(tondo, save):
    model = save(
        helper.make_node("Forward", ["x"], ["a"], name="f", domain="com.acme"),
        helper.make_node("ImageDecoder", ["x"], ["b"]),
        helper.make_node("Relu", ["x"], ["c"]),
        helper.make_node("Add", ["a", "c"], ["y"]),
    )
    done = tondo("check", model)
    assert done.status == 1
    assert "3 of 4 nodes are not supported" in done.out
    assert "com.acme.Forward: 'f'" in done.out
    result = tondo("check", model, "--json")
    assert result.status == 1
    assert result.json["supported"] is False
    found = {entry["operator"]: entry for entry in result.json["operators"]}
    assert found["com.acme.Forward"]["detail"] == "unknown operator"
    assert found["Add"]["detail"] == "an input comes from an unsupported operator"
    assert found["Relu"]["route"] == "generated"


def test_what_breaks_a_rule_of_an_operator_is_listed_too(tondo, save):
    model = save(helper.make_node("Transpose", ["x"], ["y"], perm=[0, 0]), helper.make_node("Relu", ["x"], ["z"]))
    done = tondo("check", model, "--json")
    assert done.status == 1
    assert "does not fit rank 2" in next(e["detail"] for e in done.json["operators"] if e["operator"] == "Transpose")


def test_files_that_are_no_models(tondo, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    assert tondo("check", tmp_path / "m.onnx").status == 3
