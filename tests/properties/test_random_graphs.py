"""Random graphs through the whole native pipeline against onnxruntime, with fixed and with free dimensions."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from random_graphs import graphs
from reference import of_size, session

import tondo

pytestmark = [pytest.mark.slow, pytest.mark.llvm]

TOLERANCE = 1e-4

QUICK = settings(derandomize=True, deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
LONG = settings(deadline=None, max_examples=2000, suppress_health_check=list(HealthCheck), print_blob=True)


def check(graph, sizes, threads):
    engine = session(graph.model)
    compiled = tondo.compile(graph.model, threads=threads, config={"cache": False})
    try:
        for n in sizes:
            feed = graph.feed(n)
            names = [output.name for output in engine.get_outputs()]
            expected = dict(zip(names, engine.run(names, feed), strict=True))
            for name, value in compiled.run(feed).items():
                difference = of_size(value, expected[name])
                note(f"n = {n}, {name}: {difference:.1e}")
                assert difference <= TOLERANCE, f"n = {n}, output {name}: {difference:.1e}"
    finally:
        compiled.close()


@QUICK
@given(graph=graphs(symbolic=False), threads=st.sampled_from([1, 2]))
def test_fixed_sizes(graph, threads):
    check(graph, [1], threads)


@QUICK
@given(graph=graphs(symbolic=True), sizes=st.tuples(st.just(1), st.integers(2, 40)), threads=st.sampled_from([1, 2]))
def test_free_sizes(graph, sizes, threads):
    check(graph, sizes, threads)


@pytest.mark.long
@LONG
@given(graph=graphs(symbolic=False, most=16), threads=st.sampled_from([1, 2]))
def test_many_graphs_of_fixed_sizes(graph, threads):
    check(graph, [1], threads)


@pytest.mark.long
@LONG
@given(
    graph=graphs(symbolic=True, most=16),
    sizes=st.tuples(st.just(1), st.integers(2, 40), st.integers(2, 100)),
    threads=st.sampled_from([1, 2]),
)
def test_many_graphs_of_free_sizes(graph, sizes, threads):
    check(graph, sizes, threads)
