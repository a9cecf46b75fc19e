"""Mistakes of users at the command line: a code, the place, the reason, the next step, an exit status, no traceback."""

from __future__ import annotations

import dataclasses
import json
import re
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tondo_runtime
from tondo.diagnostics import CODES
from tondo_cli.main import main

pytestmark = pytest.mark.llvm

WEIGHT = np.random.default_rng(0).standard_normal((16, 8), dtype=np.float32)


def make_model(*nodes):
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("acme.vision", 1)]
    return helper.make_model(graph, ir_version=10, opset_imports=opsets)


def product(result):
    return helper.make_node("MatMul", ["x", "weight"], [result], name="product")


def external(location):
    """Return a model whose weight lies in the file ``location``."""
    model = make_model(product("y"))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(WEIGHT.nbytes))):
        tensor.external_data.add(key=key, value=value)
    return model


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of good and bad files; ``net.tondo`` is a good artifact of ``good.onnx``."""
    folder = tmp_path_factory.mktemp("files")
    good = make_model(product("p"), helper.make_node("Relu", ["p"], ["y"]))
    onnx.save(good, folder / "good.onnx")
    data = (folder / "good.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(data[: len(data) * 2 // 3])
    (folder / "text.onnx").write_text("this is no model\n")
    (folder / "empty.onnx").touch()
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n")
    unknown = make_model(
        product("p"),
        helper.make_node("Sharpen", ["p"], ["q"], name="first", domain="acme.vision"),
        helper.make_node("Sharpen", ["q"], ["r"], name="second", domain="acme.vision"),
        helper.make_node("Enhance", ["r"], ["s"], name="picture"),
        helper.make_node("Relu", ["s"], ["y"]),
    )
    onnx.save(unknown, folder / "unknown.onnx")
    wrong = make_model(product("p"), helper.make_node("Concat", ["p", "x"], ["y"], name="join", axis=0))
    onnx.save(wrong, folder / "wrong.onnx")
    for name, array in {
        "x": np.ones((2, 16), np.float32),
        "long": np.ones((2, 17), np.float32),
        "flat": np.ones(16, np.float32),
        "double": np.ones((2, 16)),
    }.items():
        np.save(folder / f"{name}.npy", array)
    (folder / "key.yaml").write_text("tondo: 1\ntarget: {kind: cpu}\nnumerisc: {float32_matmul: high}\n")
    (folder / "option.yaml").write_text("tondo: 1\npasses:\n  - {use: graph.fuse, max_opps: 3}\n")
    (folder / "pass.yaml").write_text("tondo: 1\npasses:\n  - graph.define\n  - graph.fuze\n")
    (folder / "yaml.yaml").write_text("tondo: 1\npasses: [graph.fuse\n")
    (folder / "codegen.yaml").write_text("tondo: 1\ncodegen: {use: lvm}\n")
    (folder / "order.yaml").write_text("tondo: 1\npasses:\n  - tensor.flatten\n")
    (folder / "early.yaml").write_text("tondo: 1\npasses:\n  - graph.define\n  - host.lower\n")
    make_external(folder)
    make_artifacts(folder)
    return folder


def make_external(folder):
    inside = folder / "inside"
    inside.mkdir()
    (folder / "secret.bin").write_bytes(WEIGHT.tobytes())
    (inside / "link.bin").symlink_to("../secret.bin")
    (inside / "short.bin").write_bytes(WEIGHT.tobytes()[:100])
    locations = {"up": "../secret.bin", "absolute": str(folder / "secret.bin"), "link": "link.bin"}
    for name, location in {**locations, "missing": "missing.bin", "short": "short.bin"}.items():
        (inside / f"{name}.onnx").write_bytes(external(location).SerializeToString())


def make_artifacts(folder):
    assert main(["compile", str(folder / "good.onnx"), "-o", str(folder / "net.tondo"), "--json"]) == 0
    data = (folder / "net.tondo").read_bytes()
    (folder / "cut.tondo").write_bytes(data[: len(data) // 2])
    (folder / "text.tondo").write_text("this is no artifact")
    with zipfile.ZipFile(folder / "net.tondo") as archive:
        for member in archive.infolist():
            place = member.header_offset + 30 + len(member.filename) + member.file_size // 2 + 64
            flipped = bytearray(data)
            flipped[place] ^= 0x10
            (folder / f"flipped-{member.filename.split('.')[0].replace('/', '-')}.tondo").write_bytes(flipped)
    artifact = tondo_runtime.Artifact.open(folder / "net.tondo")
    target = artifact.manifest.target
    others = {
        "feature": dataclasses.replace(target, features=(*target.features, "avx999")),
        "machine": dataclasses.replace(target, triple="sparc64-unknown-linux-gnu"),
    }
    for name, other in others.items():
        manifest = dataclasses.replace(artifact.manifest, target=other)
        code = {member: bytes(content) for member, content in artifact.code.items()}
        path = folder / f"other-{name}.tondo"
        tondo_runtime.write_artifact(path, manifest, artifact.module_text, code, artifact.weights)


CASES = [
    # model files
    ("run cut.onnx", "TND-M002", "cut.onnx", "damaged at byte"),
    ("run text.onnx", "TND-M001", "text.onnx", "not an ONNX model"),
    ("run empty.onnx", "TND-M001", "empty.onnx", "empty"),
    ("run picture.png", "TND-M001", "picture.png", "no frontend reads"),
    ("run missing.onnx", "TND-U006", "missing.onnx", "no such file"),
    ("compile unknown.onnx", "TND-M003", "unknown.onnx", "3 nodes cannot be imported"),
    ("compile wrong.onnx", "TND-M0", "join", ""),
    # external data
    ("run inside/up.onnx", "TND-X001", "../secret.bin", "leaves the folder"),
    ("run inside/absolute.onnx", "TND-X001", "secret.bin", "absolute"),
    ("run inside/link.onnx", "TND-X001", "link.bin", "link"),
    ("run inside/missing.onnx", "TND-U006", "missing.bin", "missing"),
    ("run inside/short.onnx", "TND-M002", "short.bin", "100 bytes"),
    # inputs
    ("run good.onnx --input z=x.npy", "TND-U001", "'z'", "inputs: x"),
    ("run good.onnx --input x=long.npy", "TND-U002", "'x'", r"expects \(batch, 16\)"),
    ("run good.onnx --input x=flat.npy", "TND-U002", "'x'", r"expects \(batch, 16\)"),
    ("run good.onnx --input x=double.npy", "TND-U003", "'x'", "float64, the model expects float32"),
    ("run good.onnx --input x=absent.npy", "TND-U006", "absent.npy", "no such file"),
    ("run good.onnx --input x=good.onnx", "TND-U005", "good.onnx", "not a .npy or .npz file"),
    ("run net.tondo --input z=x.npy", "TND-U001", "'z'", "inputs: x"),
    ("run net.tondo --input x=long.npy", "TND-U002", "'x'", r"expects \(batch, 16\)"),
    ("run net.tondo --input x=double.npy", "TND-U003", "'x'", "float64, the model expects float32"),
    # pipeline files
    ("run good.onnx -c key.yaml", "TND-C002", "key.yaml:3:1", "did you mean 'numerics'"),
    ("run good.onnx -c option.yaml", "TND-C002", "option.yaml:3:23", "did you mean 'max_ops'"),
    ("run good.onnx -c pass.yaml", "TND-C003", "pass.yaml:4:5", "did you mean 'graph.fuse'"),
    ("pipeline check pass.yaml", "TND-C003", "pass.yaml:4:5", "did you mean 'graph.fuse'"),
    ("run good.onnx -c yaml.yaml", "TND-C005", "yaml.yaml:", ""),
    ("run good.onnx -c codegen.yaml", "TND-C004", "codegen.yaml:2:", "did you mean 'llvm'"),
    ("run good.onnx -c order.yaml", "TND-B001", "last pass", "no attribute"),
    ("run good.onnx -c early.yaml", "TND-B002", "'host.lower'", "requires 'planned'"),
    # artifacts
    ("run text.tondo", "TND-A001", "text.tondo", "not a valid artifact"),
    ("run cut.tondo", "TND-A001", "cut.tondo", "not a valid artifact"),
    ("run flipped-code-model.tondo", "TND-A001", "flipped-code-model.tondo", "fails its checksum"),
    ("run flipped-manifest.tondo", "TND-A001", "flipped-manifest.tondo", "fails its checksum"),
    ("run flipped-module.tondo", "TND-A001", "flipped-module.tondo", "fails its checksum"),
    ("run flipped-weights.tondo", "TND-A001", "flipped-weights.tondo", "fails its checksum"),
    ("run other-feature.tondo", "TND-A002", "other-feature.tondo", "avx999"),
    ("run other-machine.tondo", "TND-A002", "other-machine.tondo", "sparc64"),
    # what to compile for
    ("run good.onnx --target gpu9000", "TND-U007", "gpu9000", ""),
    ("run good.onnx --plugins=-x87", "TND-P001", "x87", "did you mean 'x86'"),
]


def check(status, out, err, code, place, reason):
    found = re.match(r"error\[(TND-[A-Z]\d{3})\]: \S", err)
    assert found, err or out
    assert found[1].startswith(code)
    assert status == CODES[found[1]].exit_status
    assert 2 <= status <= 9
    assert place in err
    assert re.search(reason, err), err
    assert re.search(r"^  help: \S", err, re.MULTILINE), f"no next step:\n{err}"
    assert "Traceback" not in err + out
    assert out == ""


@pytest.mark.parametrize(("words", "code", "place", "reason"), CASES, ids=[case[0] for case in CASES])
def test_a_mistake(words, code, place, reason, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    monkeypatch.setenv("NO_COLOR", "1")
    capsys.readouterr()
    status = main(words.split())
    captured = capsys.readouterr()
    check(status, captured.out, captured.err, code, place, reason)


@pytest.mark.parametrize("index", [0, 5, 7, 13, 21, 34])
def test_a_mistake_in_a_process_of_its_own(index, files, tondo, tmp_path):
    words, code, place, reason = CASES[index]
    for entry in files.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    done = tondo(*words.split())
    check(done.status, done.out, done.err, code, place, reason)


def test_all_unknown_operators_are_listed_with_counts_and_names(files, tondo):
    done = tondo("compile", files / "unknown.onnx")
    assert "acme.vision.Sharpen (opset 1): unknown operator (2x: 'first', 'second')" in done.err
    assert "Enhance (opset 21): unknown operator (1x: 'picture')" in done.err
    assert "Relu" not in done.err


def test_a_mistake_as_json(files, tondo):
    done = tondo("run", files / "good.onnx", "-c", files / "key.yaml", "--json")
    assert done.status == 4
    error = json.loads(done.out)["error"]
    assert error["code"] == "TND-C002"
    assert "did you mean 'numerics'" in error["help"]


def test_any_flipped_byte_is_noticed_or_harmless(files, tmp_path):
    """Every 61st byte of the file: either the artifact is refused with a code, or it computes the same."""
    data = (files / "net.tondo").read_bytes()
    x = np.load(files / "x.npy")
    expected = np.maximum(x @ WEIGHT, 0)
    same, codes, silent = 0, set(), []
    for place in range(0, len(data), 61):
        flipped = bytearray(data)
        flipped[place] ^= 0x04
        path = tmp_path / "flipped.tondo"
        path.write_bytes(flipped)
        try:
            with tondo_runtime.load(path) as session:
                np.testing.assert_allclose(session(x), expected, rtol=1e-4, atol=1e-5)
            same += 1
        except tondo_runtime.RuntimeFailure as error:
            codes.add(error.code)
            silent += [] if error.help else [str(error)]
        path.unlink()
    assert codes <= {"TND-A001", "TND-A003"}
    assert not silent, "no next step"
    assert same < len(data) / 61 * 0.2
