"""The native context that every generated function receives: field offsets, and access to the fields.

The layout is the contract with ``tondo_runtime.abi.Context``; a test compares both.
"""

from __future__ import annotations

from typing import Final

from tondo_llvm.emit.frame import Frame

OFFSETS: Final = {
    "abi_version": 0,
    "num_threads": 4,
    "parallel_for": 8,
    "pool": 16,
    "packed": 24,
    "profile": 32,
    "clock_ns": 40,
    "set_error": 48,
    "user": 56,
    "slots": 64,
    "reserve": 72,
    "release": 80,
}
FAILED: Final = -1
"""Result of a generated function that has reported an error."""

EXECUTION_FAILED: Final = "TND-R003"
FOREIGN_FAILED: Final = "TND-R001"
"""The kind of error whose message is the name of the foreign function that failed; the caller asks it why."""
INVALID_ARGUMENT: Final = "TND-U005"


def field(frame: Frame, name: str) -> str:
    """Return the value of a context field (a pointer, or ``num_threads`` as i32)."""
    pointer = frame.out.pure(f"getelementptr i8, ptr %ctx, i64 {OFFSETS[name]}", f"{name}.at")
    kind = "i32" if name in {"num_threads", "abi_version"} else "ptr"
    return frame.out.value(f"load {kind}, ptr {pointer}, align {4 if kind == 'i32' else 8}", name)


def fail_block(frame: Frame, kind: str, message: str, status: str = str(FAILED)) -> str:
    """Return the label of a block that reports ``message`` and returns ``status``."""
    out = frame.out
    label, at, function = out.label("fail"), out.name("set_error.at"), out.name("set_error")
    out.cold(
        label,
        f"{at} = getelementptr i8, ptr %ctx, i64 {OFFSETS['set_error']}",
        f"{function} = load ptr, ptr {at}, align 8",
        f"call void {function}(ptr %ctx, ptr {frame.module.string(kind)}, ptr {frame.module.string(message)})",
        f"ret i32 {status}",
    )
    return label
