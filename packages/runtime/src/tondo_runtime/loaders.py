"""Loaders of code that is not for the CPU which runs the model: one for each kind, brought by other packages.

An artifact may hold code of any kind besides ``object`` and ``shared``. The entry-point group
``tondo_runtime.loaders`` tells who loads it: the name of an entry is the kind, its value a function like
:class:`Loader`. A loader is imported when an artifact needs it; :func:`register_loader` adds one without installing a
package.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, cast

from tondo_runtime.errors import fail
from tondo_runtime.manifest import NATIVE
from tondo_runtime.manifest_json import is_code_kind

if TYPE_CHECKING:
    from tondo_runtime.registry import PackedFunction

ENTRY_POINT_GROUP = "tondo_runtime.loaders"


class Loader(Protocol):
    """Makes the functions of one piece of code callable."""

    def __call__(self, name: str, data: memoryview) -> Mapping[str, Callable[..., object] | PackedFunction]:
        """Return the packed functions that the code defines, by name.

        They are visible to the one session that loads the code, before those of the registry. A Python callable gets
        plain values and writable numpy views; a :class:`PackedFunction` with an address is called without Python.

        Args:
            name: the member's path, for messages.
            data: the code; valid as long as the session.

        Raises:
            RuntimeFailure: TND-A001 for code that is damaged, TND-A003 for a newer format.
        """
        ...


_loaders: dict[str, Loader] = {}


def register_loader(kind: str, loader: Loader, *, override: bool = False) -> None:
    """Let ``loader`` load code of ``kind`` in this process, before any installed one.

    Raises:
        RuntimeFailure: TND-U005 if the kind is empty, one of the runtime's own, or taken and ``override`` is false.
    """
    if kind in NATIVE or not is_code_kind(kind):
        fail("TND-U005", f"'{kind}' is no kind of code that a loader can be registered for")
    if kind in _loaders and not override:
        fail("TND-U005", f"a loader is already registered for code of the kind '{kind}'", help="pass override=True")
    _loaders[kind] = loader


def find_loader(kind: str, member: str) -> Loader:
    """Return the loader for code of ``kind``.

    Raises:
        RuntimeFailure: TND-A004 if no package brings one, or several do, or it cannot be imported.
    """
    loader = _loaders.get(kind)
    if loader is not None:
        return loader
    found = tuple(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP, name=kind))
    if not found:
        fail(
            "TND-A004",
            f"{member} is code of the kind '{kind}', which no installed package can load",
            help="install the runtime package of the device that the model was compiled for",
        )
    if len({entry.value for entry in found}) > 1:
        owners = " and ".join(sorted(entry.dist.name if entry.dist is not None else entry.value for entry in found))
        fail("TND-A004", f"{member} is code of the kind '{kind}', which {owners} claim", help="uninstall one of them")
    try:
        loaded: object = found[0].load()
    except Exception as error:  # noqa: BLE001  whatever the package's import raises is told with its kind
        fail("TND-A004", f"the loader of code of the kind '{kind}' cannot be imported: {error}")
    _loaders[kind] = cast("Loader", loaded)
    return _loaders[kind]
