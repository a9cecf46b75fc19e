"""An operator goes through four states with equal results and falling time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import four_states
from tondo.ir import Call, CallPacked, OpCall, TensorType, dims, dtype, walk
from tondo.passes import Miss, RecordedChoices
from tondo.target import BASELINE_PROVIDERS, parse_target

pytestmark = pytest.mark.llvm

MARGINS = {("composed", "packed"): 3.0, ("packed", "loops"): 3.0, ("loops", "expert"): 1.15}
"""How many times as fast each state is at least; several times less than what is measured on a quiet machine."""


def test_equal_results_and_falling_time(capsys):
    """The script compares the results itself, bit for bit; a disturbed measurement is repeated."""
    for attempt in range(4):
        medians = four_states.main(["--small", "--rounds", str(5 + 4 * attempt)])
        assert list(medians) == ["composed", "packed", "loops", "expert"]
        if all(medians[a] > MARGINS[a, b] * medians[b] for a, b in pairwise(medians)):
            break
    else:
        pytest.fail(f"the times do not fall: {capsys.readouterr().out}")
    assert "median of" in capsys.readouterr().out


@pytest.fixture
def compiled():
    return four_states.states(four_states.model(2, 6, 64))


def test_the_states_are_what_they_say(compiled):
    """Each state is seen in its module."""
    assert {type(item) for item in walk(compiled["composed"].module.graph()) if isinstance(item, Call)} == {Call}
    packed = [item for item in walk(compiled["packed"].module.functions["main"]) if getattr(item, "packed", False)]
    assert [item.callee for item in packed] == ["vision.gradient"]
    assert not any(isinstance(item, CallPacked) for item in walk(compiled["loops"].module.functions["main"]))
    rules = {name: [f.attrs.get("rule") for f in compiled[name].module.tensor_functions()] for name in compiled}
    assert "cpu.reduction" in rules["loops"]
    assert "vision.sliding_windows" in rules["expert"]
    assert not {"vision.sliding_windows"} & set(rules["loops"])


def test_any_size_and_special_values():
    for c, h, w in ((1, 1, 16), (3, 5, 32), (2, 4, 20)):
        generator = np.random.default_rng(w)
        x = generator.standard_normal((c, h + 2, w + 2)).astype(np.float32)
        x[0, 1, 1] = np.inf
        b = generator.standard_normal((3, 3)).astype(np.float32)
        expected = np.empty((c, h, w), np.float32)
        with np.errstate(invalid="ignore"):
            four_states.gradient_in_numpy(x, b, expected)
            for name, call in four_states.states(four_states.model(c, h, w)).items():
                np.testing.assert_array_equal(call(x, b), expected, err_msg=f"{name} {c}x{h}x{w}")


@pytest.mark.parametrize(("width", "reason"), [(21, "no whole number of vectors"), (64, None)])
def test_the_expert_says_what_is_not_for_it(width, reason):
    use = OpCall(
        "g", (TensorType(dims((2, 6, width + 2)), dtype("float32")), TensorType(dims((3, 3)), dtype("float32")))
    )
    function = four_states.gradient_loops.definition(use)
    context = RecordedChoices(parse_target("cpu=generic", BASELINE_PROVIDERS))
    result = four_states.SlidingWindows().apply(function, context)
    if reason is None:
        assert context.taken == {"vectors": 4}
    else:
        assert isinstance(result, Miss)
        assert reason in result.reason
