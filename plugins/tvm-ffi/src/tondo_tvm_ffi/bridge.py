"""The connection: objects of tvm-ffi are understood, and its errors are heard, from :func:`connect` on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tondo_runtime.bridge import install_bridge
from tondo_runtime.raised import add_error_source
from tondo_tvm_ffi.errors import take_error
from tondo_tvm_ffi.library import library
from tondo_tvm_ffi.objects import load, store

if TYPE_CHECKING:
    from tondo_runtime.abi import AnyValue
    from tondo_runtime.values import Value


class _Bridge:
    """Translates objects through :mod:`tondo_tvm_ffi.objects`."""

    __slots__ = ("release_address",)

    def __init__(self) -> None:
        self.release_address = library().address("TVMFFIObjectDecRef")

    def load(self, value: AnyValue, *, owned: bool) -> Value:
        return load(value, owned=owned)

    def store(self, slot: AnyValue, value: object) -> bool:
        return store(slot, value)


_connected: list[_Bridge] = []


def connect() -> None:
    """Open the library of tvm-ffi and install the bridge; further calls do nothing.

    Raises:
        RuntimeFailure: TND-P003 if apache-tvm-ffi is missing or of a version that is not supported.
    """
    if _connected:
        return
    bridge = _Bridge()
    _connected.append(bridge)
    install_bridge(bridge)
    add_error_source(take_error)
