from __future__ import annotations

import pytest

from tondo.diagnostics import TondoError
from tondo.passes import RecordedChoices
from tondo.target import BASELINE_PROVIDERS, parse_target

TARGET = parse_target("interp", BASELINE_PROVIDERS)


def test_the_prior_is_taken_without_a_record():
    choices = RecordedChoices(TARGET)
    assert choices.choose("tile", [16, 32], prior=48) == 48
    assert choices.taken == {"tile": 48}


def test_a_recorded_choice_is_replayed():
    choices = RecordedChoices(TARGET, recorded={"tile": 32, "order": "km", "gone": 1})
    assert choices.choose("tile", [16, 32], prior=16) == 32
    assert choices.choose("order", ["mk", "km"], prior="mk") == "km"
    assert choices.taken == {"tile": 32, "order": "km"}


def test_a_record_outside_the_candidates_or_the_constraint_is_passed_over():
    choices = RecordedChoices(TARGET, recorded={"tile": 7, "width": 32, "flag": 1})
    assert choices.choose("tile", [16, 32], prior=16) == 16
    assert choices.choose("width", [16, 32], prior=8, constraint=lambda value: value < 32) == 8
    assert choices.choose("flag", [True, False], prior=False) is False


def test_the_first_fitting_candidate_replaces_an_unfit_prior():
    choices = RecordedChoices(TARGET)
    assert choices.choose("tile", [64, 32, 16], prior=48, constraint=lambda value: 96 % value == 0 and value < 48) == 32


def test_no_fitting_candidate_and_asking_twice_are_refused():
    choices = RecordedChoices(TARGET)
    with pytest.raises(TondoError, match="'tile' fulfils") as caught:
        choices.choose("tile", [1], prior=2, constraint=lambda value: value > 2)
    assert caught.value.code == "TND-B003"
    choices.choose("once", [1], prior=1)
    with pytest.raises(TondoError, match="twice"):
        choices.choose("once", [1], prior=1)
