"""LLVM IR text of lowered tensor functions.

``emit_function`` is the way in. Rooms in processing order: ``function`` and ``wrapper`` (whole functions),
``statements``, ``loops``, ``parallel``, ``calls`` and ``profile`` (control), ``expressions``, ``arithmetic``,
``division``, ``convert``, ``smallfloat``, ``intrinsics`` and ``mathcall`` (values), ``memory``, ``address``, ``linear``
and ``form`` (memory), ``frame``, ``context``, ``basic``, ``builder`` and ``types`` (what all of them write with).
"""

from __future__ import annotations

from tondo_llvm.emit.builder import function_symbol
from tondo_llvm.emit.function import emit_function
from tondo_llvm.emit.wrapper import PREFIX

__all__ = ["PREFIX", "emit_function", "function_symbol"]
