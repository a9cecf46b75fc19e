"""What tests and documentation of schedules share: made-up instructions, and a short form of tensor functions."""

from __future__ import annotations

from tondo_schedule.testing.instructions import made_up_intrinsics
from tondo_schedule.testing.short_form import read, write

__all__ = ["made_up_intrinsics", "read", "write"]
