"""Schedules of tensor functions: primitives, facts, layouts."""

from __future__ import annotations

from tondo_schedule.choices import Chooser, Priors, Sampler
from tondo_schedule.instructions.auto import Tensorized, auto_tensorize
from tondo_schedule.layout import IndexMap, LayoutWish, Part, relayout, restore, transform_layout
from tondo_schedule.replay import replay
from tondo_schedule.schedule import Schedule

__all__ = [
    "Chooser",
    "IndexMap",
    "LayoutWish",
    "Part",
    "Priors",
    "Sampler",
    "Schedule",
    "Tensorized",
    "auto_tensorize",
    "relayout",
    "replay",
    "restore",
    "transform_layout",
]
