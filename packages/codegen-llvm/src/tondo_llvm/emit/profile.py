"""Profile records around kernel calls: two helper functions that do nothing while the profile is off."""

from __future__ import annotations

from typing import Final

from tondo_llvm.emit.builder import ModuleBuilder

_BEGIN: Final = "tondo.profile.begin"
_END: Final = "tondo.profile.end"

_BEGIN_TEXT: Final = f"""\
define internal i64 @{_BEGIN}(ptr %ctx) noinline #0 {{
entry:
  %profile.at = getelementptr i8, ptr %ctx, i64 32
  %profile = load ptr, ptr %profile.at, align 8
  %off = icmp eq ptr %profile, null
  br i1 %off, label %nothing, label %clock
nothing:
  ret i64 0
clock:
  %clock.at = getelementptr i8, ptr %ctx, i64 40
  %clock_ns = load ptr, ptr %clock.at, align 8
  %now = call i64 %clock_ns()
  ret i64 %now
}}
"""

_END_TEXT: Final = f"""\
define internal void @{_END}(ptr %ctx, i64 %kernel, i64 %begin) noinline #0 {{
entry:
  %profile.at = getelementptr i8, ptr %ctx, i64 32
  %profile = load ptr, ptr %profile.at, align 8
  %off = icmp eq ptr %profile, null
  br i1 %off, label %done, label %record
record:
  %clock.at = getelementptr i8, ptr %ctx, i64 40
  %clock_ns = load ptr, ptr %clock.at, align 8
  %now = call i64 %clock_ns()
  %place = atomicrmw add ptr %profile, i64 1 monotonic, align 8
  %capacity.at = getelementptr i8, ptr %profile, i64 8
  %capacity = load i64, ptr %capacity.at, align 8
  %fits = icmp slt i64 %place, %capacity
  br i1 %fits, label %write, label %done
write:
  %records.at = getelementptr i8, ptr %profile, i64 16
  %records = load ptr, ptr %records.at, align 8
  %record.at = getelementptr {{ i64, i64, i64 }}, ptr %records, i64 %place
  store i64 %kernel, ptr %record.at, align 8
  %begin.at = getelementptr i8, ptr %record.at, i64 8
  store i64 %begin, ptr %begin.at, align 8
  %end.at = getelementptr i8, ptr %record.at, i64 16
  store i64 %now, ptr %end.at, align 8
  br label %done
done:
  ret void
}}
"""


def begin_helper(module: ModuleBuilder) -> str:
    """Return the symbol of ``i64 begin(ptr ctx)``: the time now, 0 while the profile is off."""
    module.include(_BEGIN, _BEGIN_TEXT)
    return f"@{_BEGIN}"


def end_helper(module: ModuleBuilder) -> str:
    """Return the symbol of ``void end(ptr ctx, i64 kernel, i64 begin)``, which appends one record."""
    module.include(_END, _END_TEXT)
    return f"@{_END}"
