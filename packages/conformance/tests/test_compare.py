"""The table of tolerances, and what never is tolerated."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tondo_conformance.compare import TOLERANCES, compare
from tondo_conformance.outcome import Mismatch


def array(*values, kind="float32"):
    return np.array(values, getattr(ml_dtypes, kind, kind))


def test_equal_arrays_have_no_error():
    assert compare("y", array(1, 2, 3), array(1, 2, 3)) == 0


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "bfloat16"])
def test_a_float_may_differ_by_its_tolerance(kind):
    wanted = array(1, 1, 1, kind=kind)
    step = np.nextafter(wanted, array(2, 2, 2, kind=kind))
    assert 0 < compare("y", step, wanted) < 1
    far = (wanted.astype(np.float64) * (1 + 4 * TOLERANCES[kind])).astype(wanted.dtype)
    with pytest.raises(Mismatch, match="differs at"):
        compare("y", far, wanted)


def test_deeper_sums_may_differ_more():
    wanted, found = array(1, 1), array(1, 1 + 2e-5)
    with pytest.raises(Mismatch):
        compare("y", found, wanted)
    assert compare("y", found, wanted, depth=400) < 1


def test_what_cancels_is_compared_with_the_magnitude_of_the_rest():
    assert compare("y", array(1, 1, 1e-7), array(1, 1, 0)) < 1


@pytest.mark.parametrize("kind", ["int32", "uint8", "bool"])
def test_integers_are_compared_exactly(kind):
    with pytest.raises(Mismatch):
        compare("y", array(0, 1, kind=kind), array(1, 1, kind=kind))


def test_special_values_have_to_be_in_their_places():
    special = array(np.nan, np.inf, -np.inf, 1)
    assert compare("y", special, special) == 0
    for index, value in ((0, 1), (1, -np.inf), (1, np.nan), (2, 0), (3, np.nan), (3, np.inf)):
        other = special.copy()
        other[index] = value
        with pytest.raises(Mismatch):
            compare("y", other, special)


def test_shape_and_type_count():
    with pytest.raises(Mismatch, match=r"float32\[2\].*float32\[3\]"):
        compare("y", array(1, 2), array(1, 2, 3))
    with pytest.raises(Mismatch, match="float64"):
        compare("y", array(1, kind="float64"), array(1))
    assert compare("y", array(), array()) == 0
