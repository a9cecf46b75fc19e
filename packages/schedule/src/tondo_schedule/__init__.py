"""Schedules of tensor functions: primitives, facts, layouts."""

from __future__ import annotations

__all__: list[str] = []
