"""What tests and documentation of schedules share: made-up instructions, programs, a short form of functions."""

from __future__ import annotations

from tondo_schedule.testing.instructions import made_up_intrinsics
from tondo_schedule.testing.programs import matmul
from tondo_schedule.testing.short_form import read, write

__all__ = ["made_up_intrinsics", "matmul", "read", "write"]
