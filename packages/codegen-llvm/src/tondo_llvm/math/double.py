"""Double precision: one call of the C mathematics library per lane.

Vectors are taken apart and put together again; the functions that LLVM has instructions for stay vectors (see
:mod:`tondo_llvm.math.direct`). The bounds are those that the GNU C library documents for its double functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tondo_llvm.math.emitter import Emitter


def library_call(e: Emitter, name: str, *arguments: str) -> str:
    """``name`` of every lane."""
    if e.lanes == 1:
        return e.emit(f"call double @{name}({', '.join(f'double {argument}' for argument in arguments)})")
    vector = e.type("f64")
    result = "poison"
    for lane in range(e.lanes):
        parts = [e.emit(f"extractelement {vector} {argument}, i32 {lane}") for argument in arguments]
        value = e.emit(f"call double @{name}({', '.join(f'double {part}' for part in parts)})")
        result = e.emit(f"insertelement {vector} {result}, double {value}, i32 {lane}")
    return result


def emit_sigmoid_double(e: Emitter, x: str) -> str:
    """``1 / (1 + exp(-x))``, as in single precision."""
    t = library_call(e, "exp", e.neg(e.abs(x, "f64"), "f64"))
    numerator = e.select(e.compare("olt", x, e.f(0.0, "f64"), "f64"), t, e.f(1.0, "f64"), "f64")
    return e.div(numerator, e.add(t, e.f(1.0, "f64"), "f64"), "f64")
