"""Results are remembered for the very object, and for no other."""

from __future__ import annotations

from tondo.support import memo as module
from tondo.support.memo import memo


def counted(calls):
    def function(value):
        """Say so."""
        calls.append(value)
        return [value]

    return function


def test_the_same_object_is_asked_about_once():
    calls = []
    remembering = memo(counted(calls))
    value = (1, 2)
    assert remembering(value) is remembering(value)
    assert calls == [value]
    assert remembering.__doc__ == "Say so."


def test_an_equal_object_is_another_one():
    calls = []
    remembering = memo(counted(calls))
    left, right = [1], [1]
    assert remembering(left)[0] is left
    assert remembering(right)[0] is right


def test_it_forgets_before_it_grows_without_end(monkeypatch):
    monkeypatch.setattr(module, "_ENTRIES", 3)
    calls = []
    remembering = memo(counted(calls))
    values = [[place] for place in range(10)]
    for value in values:
        assert remembering(value) == [value]
    assert remembering(values[0]) == [values[0]]
    assert len(calls) == 11
