"""Declared instructions in schedules: whether a nest computes what one does, and its emission in place of the nest."""

from __future__ import annotations

from tondo_schedule.instructions.computation import Computation, computation_of
from tondo_schedule.instructions.emission import inlined
from tondo_schedule.instructions.match import Match, Window, match
from tondo_schedule.instructions.pairs import alignments

__all__ = ["Computation", "Match", "Window", "alignments", "computation_of", "inlined", "match"]
