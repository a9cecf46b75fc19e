"""Random tensor functions, scheduled by the rules for CPUs and compiled, against the reference interpreter."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from random_functions import functions
from reference import of_size

import tondo
from tondo.interp import run_tensor_function
from tondo.script import parse, script

pytestmark = [pytest.mark.slow, pytest.mark.llvm]

TOLERANCE = 1e-4

QUICK = settings(derandomize=True, deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
LONG = settings(deadline=None, max_examples=2000, suppress_health_check=list(HealthCheck), print_blob=True)
TARGETS = st.sampled_from(["native", "native", "cpu=x86-64"])


def check(case, sizes, threads, target):
    module = case.module()
    note(script(module))
    assert parse(script(module)) == module
    compiled = tondo.compile(module, target=target, threads=threads, config={"cache": False, "verify": "each-pass"})
    try:
        for n in sizes:
            inputs = case.inputs(n)
            expected = run_tensor_function(case.function, inputs)
            found = compiled(*inputs)
            for result, right in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
                difference = of_size(result, right)
                assert difference <= TOLERANCE, f"n = {n}: {difference:.1e}"
    finally:
        compiled.close()


@QUICK
@given(case=functions(symbolic=False), threads=st.sampled_from([1, 2]), target=TARGETS)
def test_fixed_sizes(case, threads, target):
    check(case, [1], threads, target)


@QUICK
@given(
    case=functions(symbolic=True),
    sizes=st.tuples(st.just(1), st.integers(2, 40)),
    threads=st.sampled_from([1, 2]),
    target=TARGETS,
)
def test_free_sizes(case, sizes, threads, target):
    check(case, sizes, threads, target)


@pytest.mark.long
@LONG
@given(case=functions(symbolic=False, most=6), threads=st.sampled_from([1, 2]), target=TARGETS)
def test_many_functions_of_fixed_sizes(case, threads, target):
    check(case, [1], threads, target)


@pytest.mark.long
@LONG
@given(
    case=functions(symbolic=True, most=6),
    sizes=st.tuples(st.just(1), st.integers(2, 40), st.integers(2, 100)),
    threads=st.sampled_from([1, 2]),
    target=TARGETS,
)
def test_many_functions_of_free_sizes(case, sizes, threads, target):
    check(case, sizes, threads, target)
