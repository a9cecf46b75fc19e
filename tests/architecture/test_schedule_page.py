"""The page on schedules lists every primitive."""

from __future__ import annotations

import re
from pathlib import Path

from tondo_schedule import primitives

PAGE = Path(__file__).parents[2] / "docs" / "schedule.md"


def test_every_primitive_is_listed_once():
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(primitives.__all__)
