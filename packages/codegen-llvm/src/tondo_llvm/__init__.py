"""The LLVM code generator of Tondo: lowered tensor functions to machine code.

Rooms: ``emit`` (tensor functions to LLVM text), ``math`` and ``pool`` (what generated code calls), ``toolchain`` and
``cache`` (text to objects), ``codegen`` and ``compiler`` (modules), ``testing`` (run functions on arrays).
"""

from __future__ import annotations

from tondo_llvm.codegen import LlvmCodegen

__all__ = ["LlvmCodegen"]
