"""The entry point of an installed plugin, read as any installer would."""

from __future__ import annotations

import importlib.metadata

from tondo.plugin import ENTRY_POINT_GROUP


def entries_of(plugin: str) -> list[importlib.metadata.EntryPoint]:
    """Return the entry points of the id ``plugin``: there should be one."""
    return list(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP, name=plugin))


def entry_of(plugin: str) -> importlib.metadata.EntryPoint | None:
    """Return the first entry point of the id ``plugin``."""
    found = entries_of(plugin)
    return found[0] if found else None
