"""Layouts: index maps, rewriting a function for one, copies between them, wishes of schedule rules."""

from __future__ import annotations

from tondo_schedule.layout.index_map import IndexMap, Part
from tondo_schedule.layout.relayout import LayoutWish, relayout, restore
from tondo_schedule.layout.transform import transform_layout

__all__ = ["IndexMap", "LayoutWish", "Part", "relayout", "restore", "transform_layout"]
