"""The comparison with and without libraries, on a model of one addition."""

from __future__ import annotations

import pytest

import libraries
from tondo.plugin import collect
from tondo_bench.zoo import tiny

pytestmark = pytest.mark.llvm


def test_both_versions_are_compiled_and_run(tmp_path):
    ready = tiny(tmp_path)
    row = libraries.compare("tiny", ready.model, ready.feed, libraries.arguments(["--seconds", "0"]), collect())
    assert row.ratio > 0
    assert row.difference == 0.0
    assert row.placed == 0


def test_the_mode_is_that_of_the_pass():
    options = [step for step in libraries.passes(collect(), "never") if "library" in step]
    assert options == [{"use": "graph.partition", "library": "never"}]
