"""Digests of members: blocks cover every byte, however the bytes come in pieces."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tondo_runtime.digest as module
from tondo_runtime import Artifact, RuntimeFailure, write_artifact
from tondo_runtime.digest import digest_member, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tondo_runtime import Manifest


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(data=st.binary(max_size=100), cuts=st.lists(st.integers(0, 100), max_size=5), threads=st.integers(1, 3))
def test_blocks_do_not_depend_on_the_pieces(data: bytes, cuts: list[int], threads: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", 8)
        patch.setattr(module, "default_threads", lambda: threads)
        ends = sorted(min(cut, len(data)) for cut in cuts)
        pieces = [data[begin:end] for begin, end in zip([0, *ends], [*ends, len(data)], strict=True)]
        spec = digest_member(pieces)
        assert (spec.sha256, spec.size) == (sha256(data), len(data))
        wanted = tuple(sha256(data[begin : begin + 8]) for begin in range(0, len(data), 8)) if len(data) > 8 else ()
        assert spec.blocks == wanted
        assert is_whole(memoryview(data), spec)
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1
            assert not is_whole(memoryview(changed), spec)


def test_a_block_more_or_less_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 8)
    spec = digest_member([bytes(20)])
    assert not is_whole(memoryview(bytes(20)), replace(spec, blocks=spec.blocks[:-1]))
    assert not is_whole(memoryview(bytes(20)), replace(spec, blocks=(*spec.blocks, spec.blocks[0])))


def test_an_artifact_with_large_weights(
    tmp_path: Path,
    axpy_manifest: Manifest,
    weights: dict[str, np.ndarray],
    objects: Callable[[str], bytes],
    ir: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BLOCK_BYTES", 64)
    more = {**weights, "more": np.arange(1000, dtype=np.float32)}
    path = tmp_path / "large.tondo"
    written = write_artifact(path, axpy_manifest, "module", {"code/0.o": objects(ir["axpy"])}, more)
    assert len(written.members["weights.safetensors"].blocks) > 60
    opened = Artifact.open(path)
    assert opened.manifest == written
    np.testing.assert_array_equal(opened.weights["more"], more["more"])
    data = bytearray(path.read_bytes())
    data[data.index(np.float32(999).tobytes())] ^= 1
    path.write_bytes(data)
    with pytest.raises(RuntimeFailure, match="fails its checksum"):
        Artifact.open(path)
