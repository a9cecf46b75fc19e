"""Large models: memory of import and compilation beside the weights, and time that grows with the number of nodes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.llvm]

SCRIPT = Path(__file__).parents[1] / "support" / "large_models.py"


def figures(kind: str, size: int, folder: Path) -> dict[str, float]:
    """Write and compile a model, each in a process of its own: writing must not count."""
    write = f"import large_models as m, pathlib; m.of_{kind}(pathlib.Path({str(folder)!r}), {{}})"
    arguments = f"40, {size}" if kind == "bytes" else str(size)
    subprocess.run([sys.executable, "-c", write.format(arguments)], cwd=SCRIPT.parent, check=True, timeout=600)
    command = [sys.executable, str(SCRIPT), kind, str(size), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1200)
    return json.loads(done.stdout)


def test_a_model_over_two_gigabytes(tmp_path, record_property):
    found = figures("bytes", 3700, tmp_path)
    weights = (tmp_path / "weights.bin").stat().st_size / 2**20
    record_property("figures", found)
    assert weights * 2**20 > 2**31
    assert found["megabytes"] <= 2 * weights + 500


def test_thousands_of_nodes_take_time_in_proportion(tmp_path, record_property):
    found = {}
    for count in (1000, 5000):
        folder = tmp_path / str(count)
        folder.mkdir()
        found[count] = figures("nodes", count, folder)
    record_property("figures", found)
    assert found[5000]["seconds"] < 7 * found[1000]["seconds"]
    assert found[5000]["megabytes"] < 600
