"""Reference-counted objects of a foreign runtime: who understands them.

This package knows values without owners only. Objects (type codes of 64 and above) belong to the runtime that made
them; a package that speaks to that runtime installs an :class:`ObjectBridge`. Without one they are refused, never
misread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tondo_runtime.abi import ObjectIndex
from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from tondo_runtime.abi import AnyValue


class ObjectBridge(Protocol):
    """Translates objects to Python values and back."""

    @property
    def release_address(self) -> int:
        """Machine address of ``int release(void* object)``, which gives back one reference."""
        ...

    def load(self, value: AnyValue, *, owned: bool) -> object:
        """Return the object of ``value``, which the caller keeps, or gives away if ``owned``.

        Raises:
            RuntimeFailure: TND-U005 for an object that no Python value stands for.
        """
        ...

    def store(self, slot: AnyValue, value: object) -> bool:
        """Write ``value`` as an owned object into ``slot``; False if there is no object for it."""
        ...


_bridges: list[ObjectBridge] = []


def install_bridge(bridge: ObjectBridge) -> None:
    """Let ``bridge`` translate objects from now on; sessions that are loaded later release objects through it."""
    _bridges[:] = [bridge]


def object_bridge() -> ObjectBridge | None:
    """Return the installed bridge."""
    return _bridges[0] if _bridges else None


def release_address() -> int:
    """Return the address of the function that generated code gives objects back with; 0 if there is none."""
    return _bridges[0].release_address if _bridges else 0


def load_object(value: AnyValue, *, owned: bool) -> object:
    """Return the object of ``value`` as a Python value.

    Raises:
        RuntimeFailure: TND-U005 without a bridge, or for an object that it does not translate.
    """
    bridge = object_bridge()
    if bridge is None:
        fail(
            "TND-U005",
            f"{describe_code(value.type_index)} cannot be passed to Python",
            notes=("it belongs to the foreign runtime that made it",),
            help="install tondo-tvm-ffi and import tondo_tvm_ffi, which understands such objects",
        )
    return bridge.load(value, owned=owned)


def describe_code(code: int) -> str:
    """Return the type code of an object as people name it."""
    known = {int(item): item.name.lower() for item in ObjectIndex}
    return f"an object of type {known[code]} (code {code})" if code in known else f"an object of type code {code}"
