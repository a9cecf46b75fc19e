"""Artifacts on disk: round trip, reproducibility, and refusal of everything damaged or hostile."""

from __future__ import annotations

import json
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tondo_runtime
from tondo_runtime import Artifact, Manifest, RuntimeFailure, TargetSpec, host, write_artifact
from tondo_runtime.archive import write_archive
from tondo_runtime.artifact import copy_artifact
from tondo_runtime.manifest import CodeSpec

Weights = dict[str, np.ndarray]


@pytest.fixture
def saved(
    tmp_path: Path, axpy_manifest: Manifest, weights: Weights, objects: Callable[[str], bytes], ir: dict[str, str]
) -> Path:
    path = tmp_path / "model.tondo"
    write_artifact(path, axpy_manifest, "# module text äöü\n", {"code/0.o": objects(ir["axpy"])}, weights)
    return path


def spans(path: Path) -> dict[str, tuple[int, int]]:
    """Where each member's data lies, by an independent reader."""
    raw = path.read_bytes()
    found = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name, extra = struct.unpack("<HH", raw[info.header_offset + 26 : info.header_offset + 30])
            begin = info.header_offset + 30 + name + extra
            found[info.filename] = (begin, begin + info.file_size)
    return found


def refusal(path: Path) -> RuntimeFailure:
    with pytest.raises(RuntimeFailure) as info:
        Artifact.open(path)
    return info.value


def test_load_runs_what_was_saved(saved: Path) -> None:
    a, b = np.arange(100, dtype=np.float32), np.ones(100, np.float32)
    with tondo_runtime.load(saved, threads=1) as model:
        np.testing.assert_array_equal(model(a, b), a + np.float32(2.5))
        assert model.name == "axpy"
        assert [spec.name for spec in model.inputs] == ["a", "b"]


def test_round_trip_keeps_every_part(saved: Path, axpy_manifest: Manifest, weights: Weights) -> None:
    artifact = Artifact.open(saved)
    assert artifact.module_text == "# module text äöü\n"
    assert replace(artifact.manifest, code=axpy_manifest.code, members={}) == axpy_manifest
    assert set(artifact.manifest.members) == {"module.tondo", "weights.safetensors", "code/0.o"}
    np.testing.assert_array_equal(artifact.weights["scale"], weights["scale"])
    assert not artifact.weights["scale"].flags.writeable
    assert not artifact.weights["scale"].flags.owndata


def test_members_are_stored_aligned_and_readable_by_any_zip_tool(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(archive.namelist())
        assert json.loads(archive.read("manifest.json"))["format"] == 1
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    assert all(begin % 64 == 0 for begin, _ in spans(saved).values())


def test_writing_is_reproducible_and_leaves_no_temporary_file(saved: Path, weights: Weights) -> None:
    first = saved.read_bytes()
    artifact = Artifact.open(saved)
    code = {name: bytes(data) for name, data in artifact.code.items()}
    again = saved.with_name("again.tondo")
    write_artifact(again, artifact.manifest, artifact.module_text, code, weights)
    assert again.read_bytes() == first
    assert sorted(path.name for path in saved.parent.iterdir()) == ["again.tondo", "model.tondo"]


def test_failed_write_keeps_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    class Broken:
        def __len__(self) -> int:
            return 3

    with pytest.raises(TypeError):
        write_archive(saved, {"manifest.json": (b"{}", Broken())})
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == ["model.tondo"]


def test_a_flipped_byte_in_any_member_is_refused(saved: Path) -> None:
    original = saved.read_bytes()
    rng = random.Random(7)
    for name, (begin, end) in spans(saved).items():
        positions = {begin, end - 1, *(rng.randrange(begin, end) for _ in range(25))}
        for position in positions:
            data = bytearray(original)
            data[position] ^= 1 << rng.randrange(8)
            saved.write_bytes(data)
            assert refusal(saved).code == "TND-A001", (name, position)


def test_any_flipped_byte_is_refused_or_harmless(saved: Path) -> None:
    original = saved.read_bytes()
    members = {name: original[begin:end] for name, (begin, end) in spans(saved).items()}
    rng = random.Random(11)
    refused: list[str] = []
    for position in rng.sample(range(len(original)), 400):
        data = bytearray(original)
        data[position] ^= 0xFF
        saved.write_bytes(data)
        try:
            artifact = Artifact.open(saved)
        except RuntimeFailure as failure:
            refused.append(failure.code)
        else:
            assert bytes(artifact.code["code/0.o"]) == members["code/0.o"], position
            assert artifact.module_text.encode() == members["module.tondo"], position
    assert set(refused) == {"TND-A001"}


def test_every_truncation_is_refused(saved: Path) -> None:
    original = saved.read_bytes()
    for size in [0, 1, 21, 22, 23, *range(0, len(original), 97)]:
        saved.write_bytes(original[:size])
        assert refusal(saved).code == "TND-A001", size


@settings(derandomize=True, deadline=None, max_examples=100)
@given(data=st.binary(max_size=400))
def test_arbitrary_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "arbitrary.tondo"
    path.write_bytes(data)
    assert refusal(path).code == "TND-A001"


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "code/../../evil", "code/", "code/a/b", "extra.txt", "code/x y", "weights.SAFETENSORS"],
)
def test_unexpected_paths_are_refused(saved: Path, name: str) -> None:
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr(name, b"x")
    failure = refusal(saved)
    assert failure.code == "TND-A001"
    assert "unexpected path" in failure.message


def test_additional_and_missing_members_are_refused(saved: Path) -> None:
    members = {name: saved.read_bytes()[begin:end] for name, (begin, end) in spans(saved).items()}
    write_archive(saved, {name: (data,) for name, data in (members | {"code/more.o": b"x"}).items()})
    assert "'code/more.o'" in refusal(saved).message
    for gone in members:
        write_archive(saved, {name: (data,) for name, data in members.items() if name != gone})
        assert refusal(saved).code == "TND-A001"


def test_duplicate_member_is_refused(saved: Path) -> None:
    with zipfile.ZipFile(saved, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("module.tondo", b"x")
    assert "occurs twice" in refusal(saved).message or "aligned" in refusal(saved).message


def test_compressed_member_is_refused(saved: Path) -> None:
    with zipfile.ZipFile(saved) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    assert "compressed" in refusal(saved).message


def change_manifest(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    members = {name: path.read_bytes()[begin:end] for name, (begin, end) in spans(path).items()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    write_archive(path, {name: (data,) for name, data in members.items()})


@pytest.mark.parametrize("key", ["format", "abi"])
def test_newer_format_is_refused(saved: Path, key: str) -> None:
    change_manifest(saved, lambda manifest: manifest.update({key: 2}))
    failure = refusal(saved)
    assert failure.code == "TND-A003"
    assert "upgrade" in (failure.help or "")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ({"features": ["avx9000"]}, "needs a processor with avx9000"),
        ({"triple": "riscv64-unknown-linux-gnu"}, "code for riscv64, this machine is"),
    ],
)
def test_other_machine_is_refused(saved: Path, target: dict[str, object], text: str) -> None:
    change_manifest(saved, lambda manifest: manifest["target"].update(target))
    failure = refusal(saved)
    assert failure.code == "TND-A002"
    assert text in failure.message


def test_features_of_this_machine_are_accepted(saved: Path) -> None:
    features = sorted(host.host_features() or ())
    change_manifest(saved, lambda manifest: manifest["target"].update(features=[*features, "-amx-tile"]))
    assert Artifact.open(saved).manifest.target.features[0] == features[0]


def test_host_of_another_kind_of_target_is_what_counts(saved: Path) -> None:
    change_manifest(saved, lambda manifest: manifest["target"].update(kind="npu"))
    assert Artifact.open(saved).manifest.target.kind == "npu"
    change_manifest(saved, lambda manifest: manifest["target"].update(features=["avx9000"]))
    assert refusal(saved).code == "TND-A002"


def test_unknown_host_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "host_features", lambda: None)
    with pytest.raises(RuntimeFailure, match="cannot be found out") as info:
        host.check_target(TargetSpec(features=("avx2",)), "m.tondo")
    assert info.value.code == "TND-A002"
    host.check_target(TargetSpec(), "m.tondo")


def test_missing_file_is_a_usage_error(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.tondo").code == "TND-U006"
    assert refusal(tmp_path).code == "TND-U006"


def test_parts_that_disagree_are_not_written(tmp_path: Path, axpy_manifest: Manifest, weights: Weights) -> None:
    path = tmp_path / "m.tondo"
    wrong: list[tuple[Manifest, dict[str, bytes], Weights]] = [
        (axpy_manifest, {}, weights),
        (axpy_manifest, {"code/0.o": b""}, {}),
        (axpy_manifest, {"code/0.o": b""}, {"scale": np.zeros(2, np.float32)}),
        (axpy_manifest, {"code/0.o": b""}, {"scale": np.zeros(1)}),
        (replace(axpy_manifest, code=(CodeSpec("evil", "object", "0" * 64),)), {"evil": b""}, weights),
    ]
    for manifest, code, arrays in wrong:
        with pytest.raises(RuntimeFailure) as info:
            write_artifact(path, manifest, "", code, arrays)
        assert info.value.code == "TND-U005"
    with pytest.raises(RuntimeFailure, match="cannot write"):
        write_artifact(tmp_path / "no" / "m.tondo", axpy_manifest, "", {"code/0.o": b""}, weights)
    assert list(tmp_path.iterdir()) == []


def test_a_copy_is_the_same_artifact(saved: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.tondo"
    assert copy_artifact(saved, copy) == Artifact.open(copy).manifest
    assert copy.read_bytes() == saved.read_bytes()


def test_what_is_no_artifact_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no artifact")
    assert copy_artifact(tmp_path / "missing", tmp_path / "copy") is None
    assert copy_artifact(tmp_path / "text", tmp_path / "copy") is None
    assert not (tmp_path / "copy").exists()


def test_a_copy_into_a_missing_folder_is_a_usage_error(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure) as info:
        copy_artifact(saved, tmp_path / "no" / "copy.tondo")
    assert info.value.code == "TND-U005"
