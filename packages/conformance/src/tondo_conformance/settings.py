"""What is tested, and how: the options of the test run as plain data that workers can be given."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Final

LEVELS: Final = {
    "L0": "load",
    "L1": "contract",
    "L2": "operators",
    "L3": "networks",
    "L4": "system",
}
"""Levels in order, each with its topic."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a test run.

    Attributes:
        target: what is compiled for, as :func:`tondo.compile` takes it.
        config: a pipeline file, empty for the defaults of the target.
        plugin: id of the plugin that is judged at L0; empty: the one that brings the target.
        level: the cases of this level and those below it run.
        select: patterns of case ids, separated by commas; ``-`` before a pattern leaves out. Empty: all.
        quick: only the cases that take little time: one element type per operator and kind of arguments.
    """

    target: str = "native"
    config: str = ""
    plugin: str = ""
    level: str = "L3"
    select: str = ""
    quick: bool = False

    def to_json(self) -> str:
        """Return the settings as one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Return what :meth:`to_json` wrote."""
        return cls(**json.loads(text))
