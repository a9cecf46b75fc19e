"""The whole program on a small model, and workers that misbehave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tondo_bench.process import Worker, WorkerError
from tondo_bench.zoo import tiny

ROOT = Path(__file__).parents[2]


@pytest.fixture
def worker():
    with Worker(sorted(os.sched_getaffinity(0))[:1], 1) as process:
        yield process


def test_a_worker_opens_runs_and_answers(worker, tmp_path):
    prepared = tiny(tmp_path)
    task = {"name": "tiny", "model": str(prepared.model), "threads": 1}
    opened = worker.ask("open", engine="onnxruntime", task=task, feed=str(prepared.feed))
    assert opened["version"]
    assert len(worker.ask("run", calls=3, budget=10.0)["seconds"]) == 3
    assert len(worker.ask("run", calls=3, budget=0.0)["seconds"]) == 1
    assert worker.ask("answer", path=str(tmp_path / "a.npz"))["names"] == ["y"]


def test_an_error_is_an_answer(worker):
    with pytest.raises(WorkerError, match="no model is open"):
        worker.ask("run", calls=1, budget=1.0)
    with pytest.raises(WorkerError, match="ModuleNotFoundError"):
        worker.ask("call", function="absent:function", arguments={})


def test_a_dead_worker_is_told(worker):
    worker._process.kill()
    worker._process.wait()
    with pytest.raises(WorkerError, match="the process ended"):
        worker.ask("run", calls=1, budget=1.0)


@pytest.mark.slow
@pytest.mark.llvm
def test_one_small_model(tmp_path):
    words = ["--only", "squeezenet", "--engines", "onnxruntime", "--threads", "1", "--runs", "2", "--calls", "2"]
    path = tmp_path / "out.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *words, "--roofline", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())
    (result,) = found["results"]
    assert result["name"] == "light_squeezenet"
    assert set(result["times"]) == {"tondo", "onnxruntime"}
    assert result["differences"]["tondo"] < 1e-4
    assert result["ratio"]["other"] == "onnxruntime"
    assert result["cold_seconds"] > 0
    kernels = found["roofline"]["light_squeezenet"]["judged"]
    assert sum(kernel["kind"] == "dense" for kernel in kernels) > 10
    assert "geometric mean" in done.stdout
    assert "promises" in done.stdout
    assert found["summary"]["models"][0]["name"] == "light_squeezenet"
    assert found["summary"]["models"][0]["flops_share"] > 0
