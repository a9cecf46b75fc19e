"""Compiled models as shared libraries of tvm-ffi: native glue around the model's code, constants inside."""

from __future__ import annotations
