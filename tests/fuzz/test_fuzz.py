"""Mutated models: refused with a code or computed right; the long form of this is ``nox -s fuzz``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.isolate import isolated
from fuzz.mutate import mutated
from fuzz.seeds import seeds

SUPPORT = Path(__file__).parents[1] / "support"


def test_mutations_are_decided_by_their_number():
    data = seeds()[0].model.SerializeToString()
    first = [mutated(data, number, ["Relu", "Add"]) for number in range(50)]
    assert first == [mutated(data, number, ["Relu", "Add"]) for number in range(50)]
    assert len(set(first)) > 40
    assert sum(item != data for item in first) > 40


def crashing():
    os.abort()


def endless():
    while True:
        pass


def greedy():
    return len(bytearray(1 << 30))


def raising():
    raise KeyError("nothing")


@pytest.mark.parametrize(
    ("work", "what"), [(crashing, "crash"), (endless, "hang"), (greedy, "memory"), (raising, "raised"), (int, "value")]
)
def test_whatever_happens_is_told(work, what):
    assert isolated(work, 256, 1).what == what


@pytest.mark.slow
@pytest.mark.llvm
def test_a_few_mutated_models(tmp_path):
    words = ["-m", "fuzz", "--count", "60", "--seed", "7", "--out", str(tmp_path)]
    paths = os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *words], env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
