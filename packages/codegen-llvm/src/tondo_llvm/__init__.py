"""The LLVM code generator of Tondo: lowered tensor functions to machine code."""

from __future__ import annotations
