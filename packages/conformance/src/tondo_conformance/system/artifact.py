"""Cases of saved models: a fresh process with the runtime alone, and files that are damaged in many ways."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

import tondo_runtime
from tondo_conformance.backend import Backend
from tondo_conformance.case import Case, case
from tondo_conformance.outcome import mismatch
from tondo_conformance.system.sample import SIZES, answer, expect, module, rows, saved
from tondo_runtime import RuntimeFailure

_SECONDS: Final = 120
_FLIPS: Final = 60

_LOAD: Final = """
import sys
import numpy as np
import tondo_runtime
model = tondo_runtime.load(sys.argv[1])
with np.load(sys.argv[2]) as inputs:
    answers = {name: model.run({"x": inputs[name]})["y0"] for name in inputs.files}
np.savez(sys.argv[3], **answers)
heavy = sorted({"tondo", "llvmlite"}.intersection(sys.modules))
print(*heavy)
"""


def cases() -> Iterator[Case]:
    """Yield every case."""
    yield case("L4", "artifact", "round-trip", _round_trip)
    yield case("L4", "artifact", "other-process", _other_process, patience=2)
    yield case("L4", "artifact", "same-file", _same_file)
    yield case("L4", "artifact", "truncated", _truncated, alone=True)
    yield case("L4", "artifact", "flipped-bits", _flipped, alone=True)
    yield case("L4", "artifact", "no-archive", _no_archive)
    yield case("L4", "artifact", "newer-format", _newer)


def _round_trip(backend: Backend) -> None:
    """A saved model answers like the one that was saved, and has its signature."""
    with tempfile.TemporaryDirectory() as folder:
        path = saved(backend, Path(folder))
        model = backend.model(module(backend))
        with tondo_runtime.load(path) as session:
            if session.inputs != model.inputs or session.outputs != model.outputs:
                mismatch("the loaded model has another signature")
            for size in SIZES:
                expect(session.run({"x": rows(size)})["y0"], answer(model, size), f"{size} rows, loaded")


def _other_process(backend: Backend) -> None:
    """A fresh process loads it with the runtime alone, without the compiler, and answers the same."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = saved(backend, folder)
        inputs: dict[str, Any] = {f"n{size}": rows(size) for size in SIZES}
        np.savez(folder / "in.npz", **inputs)
        done = subprocess.run(
            [sys.executable, "-c", _LOAD, str(path), str(folder / "in.npz"), str(folder / "out.npz")],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            env={key: value for key, value in os.environ.items() if not key.startswith("TONDO")},
        )
        if done.returncode != 0:
            mismatch(f"the other process ended with status {done.returncode}: {done.stderr[-1500:]}")
        if "tondo" in done.stdout.split():
            mismatch("loading it imports the compiler")
        model = backend.model(module(backend))
        with np.load(folder / "out.npz") as answers:
            for size in SIZES:
                expect(answers[f"n{size}"], answer(model, size), f"{size} rows, in another process")


def _same_file(backend: Backend) -> None:
    """Saving twice gives the same file."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = saved(backend, Path(folder), "a.tondo"), saved(backend, Path(folder), "b.tondo")
        if first.read_bytes() != second.read_bytes():
            mismatch("the second file differs from the first")


def _truncated(backend: Backend) -> None:
    """A file that lacks its end is refused with a code."""
    with tempfile.TemporaryDirectory() as folder:
        data = saved(backend, Path(folder)).read_bytes()
        for part in (0, 1, 4, 100, len(data) // 3, len(data) // 2, len(data) - 100, len(data) - 1):
            _refused(Path(folder), data[:part], f"the first {part} bytes")


def _flipped(backend: Backend) -> None:
    """A file in which a byte differs is refused with a code, wherever it is."""
    with tempfile.TemporaryDirectory() as folder:
        path = saved(backend, Path(folder))
        data = path.read_bytes()
        members = {name: _extent(path, name) for name in zipfile.ZipFile(path).namelist()}
        rng = np.random.default_rng(0)
        for name, (begin, size) in members.items():
            for place in rng.integers(begin, begin + max(1, size), max(2, _FLIPS // len(members))):
                changed = bytearray(data)
                changed[place] ^= 1 << int(rng.integers(8))
                _refused(Path(folder), bytes(changed), f"byte {place}, in {name}, changed")


def _extent(path: Path, name: str) -> tuple[int, int]:
    """Return where the bytes of a member begin, and how many they are."""
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(name)
    header = path.read_bytes()[info.header_offset : info.header_offset + 30]
    lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
    return info.header_offset + 30 + lengths, info.compress_size


def _no_archive(backend: Backend) -> None:
    """Files that are something else are refused with a code."""
    del backend
    with tempfile.TemporaryDirectory() as folder:
        for data in (b"", b"PK\x03\x04", b"hello", bytes(4096), b"\x7fELF" + bytes(1000)):
            _refused(Path(folder), data, f"{len(data)} bytes of something else")


def _newer(backend: Backend) -> None:
    """A file of a newer format is refused with the code for that, or as changed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, newer = saved(backend, folder), folder / "newer.tondo"
        with zipfile.ZipFile(path) as archive, zipfile.ZipFile(newer, "w", zipfile.ZIP_STORED) as other:
            for member in archive.namelist():
                text = archive.read(member)
                if member == "manifest.json":
                    text = text.replace(b'"format": 1', b'"format": 999').replace(b'"format":1', b'"format":999')
                other.writestr(member, text)
        _refused(folder, newer.read_bytes(), "a newer format")


def _refused(folder: Path, data: bytes, what: str) -> None:
    path = folder / "damaged.tondo"
    path.write_bytes(data)
    try:
        tondo_runtime.load(path).close()
    except RuntimeFailure as error:
        if error.code.startswith("TND-A"):
            return
        mismatch(f"{what}: refused with {error.code}, expected TND-A...")
    mismatch(f"{what}: it loads")
