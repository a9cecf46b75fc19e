"""Slots of a call: numbered memory that grows on demand.

The context points to a table of pointers and capacities. Memory that is large enough is taken as it is; the runtime is
asked only for more.
"""

from __future__ import annotations

from typing import Final

from tondo_llvm.emit.context import EXECUTION_FAILED, OFFSETS, fail_block
from tondo_llvm.emit.frame import Frame
from tondo_llvm.emit.types import Operand

SLOT_ALIGN: Final = 64
"""Alignment in bytes of the memory of a slot."""

_NAME: Final = "tondo.reserve"

# A row of the table: { ptr memory, i64 capacity }. A slot of no bytes may have no memory: nobody reads it.
_TEXT: Final = f"""\
define internal ptr @{_NAME}(ptr %ctx, i64 %slot, i64 %bytes) noinline #0 {{
entry:
  %slots.at = getelementptr i8, ptr %ctx, i64 {OFFSETS["slots"]}
  %slots = load ptr, ptr %slots.at, align 8
  %row = getelementptr {{ ptr, i64 }}, ptr %slots, i64 %slot
  %capacity.at = getelementptr i8, ptr %row, i64 8
  %capacity = load i64, ptr %capacity.at, align 8
  %memory = load ptr, ptr %row, align 8
  %present = icmp ne ptr %memory, null
  %large = icmp sle i64 %bytes, %capacity
  %enough = and i1 %present, %large
  br i1 %enough, label %done, label %more
done:
  ret ptr %memory
more:
  %reserve.at = getelementptr i8, ptr %ctx, i64 {OFFSETS["reserve"]}
  %reserve = load ptr, ptr %reserve.at, align 8
  %grown = call ptr %reserve(ptr %ctx, i64 %slot, i64 %bytes)
  ret ptr %grown
}}
"""


def reserve(frame: Frame, slot: Operand, size: Operand, name: str) -> str:
    """Write the request for ``size`` bytes in ``slot`` and return the pointer; the call fails if there is no memory."""
    out = frame.out
    frame.module.include(_NAME, _TEXT)
    pointer = out.value(f"call ptr @{_NAME}(ptr %ctx, i64 {slot}, i64 {size})", name)
    passed = out.label("ok")
    failed = fail_block(frame, EXECUTION_FAILED, f"there is no memory for '{name}'")
    out.branch_if(out.value(f"icmp ne ptr {pointer}, null", "fine"), passed, failed)
    out.start(passed)
    return pointer
