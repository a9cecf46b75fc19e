"""Model files: what is no model, what is damaged, and external data that must stay inside the model's folder."""

from __future__ import annotations

import os
import stat

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from tondo.diagnostics import TondoError
from tondo.plugin import Frontend, LoadOptions, SourceDigest
from tondo_onnx import Limits, OnnxFrontend
from tondo_onnx.read.files import ModelFiles

F = "float32"


def _model(tools, location="weights.bin", **entries):
    model = tools.model([tools.node("Add", ["x", "w"])], {"x": (F, (4,))})
    tensor = model.graph.initializer.add()
    tensor.name, tensor.data_type, tensor.data_location = "w", TensorProto.FLOAT, TensorProto.EXTERNAL
    tensor.dims.append(4)
    for key, value in {"location": location, **entries}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)
    return model


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "model"
    inside.mkdir()
    np.arange(8, dtype=F).tofile(inside / "weights.bin")
    (tmp_path / "secret.bin").write_bytes(b"\1" * 64)
    return inside


def _code(call):
    with pytest.raises(TondoError) as caught:
        call()
    return caught.value.code


def _save(folder, model):
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_frontend_satisfies_its_protocols():
    frontend = OnnxFrontend()
    assert isinstance(frontend, Frontend)
    assert isinstance(frontend, SourceDigest)


def test_claims(tools, tmp_path):
    frontend = OnnxFrontend()
    model = tools.model([tools.node("Relu", ["x"])], {"x": (F, (1,))})
    assert all(frontend.claims(source) for source in ("a.onnx", tmp_path / "B.ONNX", b"", model))
    assert not any(frontend.claims(source) for source in ("a.pt", tmp_path, 3, None, object()))


@pytest.mark.parametrize(("entries", "first"), [({}, 0), ({"offset": 16, "length": 16}, 4), ({"offset": 8}, 2)])
def test_external_data_is_mapped(tools, folder, entries, first):
    module = tools.load(_save(folder, _model(tools, **entries)))
    (constant,) = module.constants.values()
    np.testing.assert_array_equal(constant.array, np.arange(first, first + 4, dtype=F))
    base = constant.array
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert not base.flags.owndata
    assert not constant.array.flags.writeable


def test_models_without_a_path_need_a_base(tools, folder):
    model = _model(tools)
    assert _code(lambda: tools.load(model)) == "TND-X001"
    assert len(tools.load(model, base=folder).constants) == 1
    assert len(tools.load(model.SerializeToString(), base=folder).constants) == 1


@pytest.mark.parametrize(
    "location", ["../secret.bin", "sub/../../secret.bin", "..", ".", "", "/etc/passwd", "\\\\host\\x", "C:\\x", "a\0b"]
)
def test_paths_that_leave_the_folder(tools, folder, location):
    assert _code(lambda: tools.load(_save(folder, _model(tools, location)))) == "TND-X001"


def test_absolute_path_to_the_right_file_is_refused_as_well(tools, folder):
    assert _code(lambda: tools.load(_save(folder, _model(tools, str(folder / "weights.bin"))))) == "TND-X001"


def test_links_fifos_and_folders(tools, folder):
    (folder / "link.bin").symlink_to(folder / "weights.bin")
    (folder / "out").symlink_to(folder.parent)
    os.link(folder.parent / "secret.bin", folder / "hard.bin")
    os.mkfifo(folder / "fifo.bin")
    (folder / "dir.bin").mkdir()
    for location in ("link.bin", "out/secret.bin", "hard.bin", "fifo.bin", "dir.bin"):
        assert _code(lambda location=location: tools.load(_save(folder, _model(tools, location)))) == "TND-X001", (
            location
        )


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_devices(tools, folder, kind):
    """Such as the one that never ends."""
    try:
        os.mknod(folder / "device.bin", kind | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this user may not make device nodes")
    assert _code(lambda: tools.load(_save(folder, _model(tools, "device.bin")))) == "TND-X001"


def test_subfolders_are_allowed(tools, folder):
    (folder / "sub").mkdir()
    np.ones(4, F).tofile(folder / "sub" / "w.bin")
    assert len(tools.load(_save(folder, _model(tools, "./sub//w.bin"))).constants) == 1


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ({"offset": 24}, "TND-M002"),
        ({"offset": 2**62}, "TND-M002"),
        ({"length": 8}, "TND-M004"),
        ({"offset": -4}, "TND-M004"),
        ({"offset": "1e3"}, "TND-M004"),
        ({"length": "9" * 30}, "TND-M004"),
    ],
)
def test_ranges_outside_of_the_file(tools, folder, entries, code):
    assert _code(lambda: tools.load(_save(folder, _model(tools, **entries)))) == code


def test_missing_external_file(tools, folder):
    assert _code(lambda: tools.load(_save(folder, _model(tools, "gone.bin")))) == "TND-U006"


def test_external_data_in_constants_and_subgraphs_is_confined_too(tools, folder):
    tensor = _model(tools, "../secret.bin").graph.initializer[0]
    model = tools.model([tools.node("Constant", [], value=tensor)], {})
    assert _code(lambda: tools.load(_save(folder, model))) == "TND-X001"


def test_reader_refuses_everything_without_a_folder():
    assert _code(lambda: ModelFiles(None).read("a", 0, None)) == "TND-X001"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello world", "not an ONNX model"),
        (b"PK\x03\x04abc", "ZIP"),
        (b"<html></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"\x1f\x8b\x08", "gzip"),
        (bytes(100), "not an ONNX model"),
    ],
)
def test_what_is_no_model(tmp_path, tools, data, words):
    path = tmp_path / "x.onnx"
    path.write_bytes(data)
    with pytest.raises(TondoError, match=words) as caught:
        tools.load(path)
    assert caught.value.code == "TND-M001"
    assert str(path) in str(caught.value)


def test_missing_files_and_folders(tools, tmp_path):
    assert _code(lambda: tools.load(tmp_path / "none.onnx")) == "TND-U006"
    (tmp_path / "d.onnx").mkdir()
    assert _code(lambda: tools.load(tmp_path / "d.onnx")) == "TND-M001"


def test_file_size_limit(tools, folder):
    path = _save(folder, _model(tools))
    assert _code(lambda: tools.load(path, limits=Limits(file_bytes=10))) == "TND-X002"


def test_every_truncation_is_explained(tools, rng):
    model = tools.model(
        [tools.node("Add", ["x", "w"])], {"x": (F, (4,))}, constants={"w": rng.normal(size=4).astype(F)}
    )
    data = model.SerializeToString()
    for end in range(len(data)):
        assert _code(lambda end=end: tools.load(data[:end])).startswith("TND-M00"), end
    with pytest.raises(TondoError, match="damaged at byte") as caught:
        tools.load(data[: len(data) // 2])
    assert caught.value.code == "TND-M002"


@settings(
    derandomize=True, deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=60))
def test_random_bytes_never_crash(tools, data):
    with pytest.raises(TondoError):
        tools.load(data)


@settings(
    derandomize=True, deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_never_crash(tools, changes):
    nodes = [tools.node("Shape", ["x"], ["s"]), tools.node("Reshape", ["w", "s"], ["r"]), tools.node("Add", ["x", "r"])]
    model = tools.model(nodes, {"x": (F, (2, "n"))}, constants={"w": np.arange(4, dtype=F)})
    data = bytearray(model.SerializeToString())
    for position, byte in changes:
        data[position % len(data)] = byte
    try:
        tools.load(bytes(data))
    except TondoError as error:
        if not error.code.startswith(("TND-M", "TND-X")):
            raise


def test_digest_of_bytes_and_of_models_in_memory(tools):
    frontend = OnnxFrontend()
    models = [
        tools.model([tools.node("Add", ["x", "w"], ["y"])], {"x": (F, (4,))}, constants={"w": w})
        for w in (np.arange(4, dtype=F), np.ones(4, F))
    ]
    for form in (lambda model: model, lambda model: model.SerializeToString()):
        one, other = (frontend.digest(form(model), LoadOptions()) for model in models)
        assert one == frontend.digest(form(models[0]), LoadOptions())
        assert one != other


def test_digest_follows_model_data_and_options(tools, folder):
    frontend = OnnxFrontend()
    path = _save(folder, _model(tools))
    first = frontend.digest(path, LoadOptions())
    assert frontend.digest(path, LoadOptions()) == first
    assert frontend.digest(path, LoadOptions(inputs={"x": (8,)})) != first
    np.ones(8, F).tofile(folder / "weights.bin")
    assert frontend.digest(path, LoadOptions()) != first
    assert onnx.load(path, load_external_data=False).graph.initializer[0].name == "w"
