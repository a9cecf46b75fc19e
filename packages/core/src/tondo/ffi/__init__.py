"""Foreign functions by name, callable from Python, from generated code and from other languages.

The registry itself lives in ``tondo_runtime``, because compiled models need it where the compiler is not installed;
what is registered here is what they call. The C calling convention and the layout of values are documented there.
"""

from __future__ import annotations

from tondo_runtime.registry import PackedFunction, call_native, get, names, register, register_native, remove

__all__ = ["PackedFunction", "call_native", "get", "names", "register", "register_native", "remove"]
