"""What a plugin says about itself, and what the host found out about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from tondo.diagnostics import Diagnostic

PLUGIN_API: Final = 1
"""Number of the plugin interface; changes only when a hook is removed or changes its meaning."""

OLDEST_PLUGIN_API: Final = 1
"""Oldest interface that this host still serves."""

ENTRY_POINT_GROUP: Final = "tondo.plugins"

Status = Literal["loaded", "blocked", "incompatible", "failed"]

_ID: Final = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*")
_NUMBERS: Final = re.compile(r"\d+")
_MAX_ID: Final = 64


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """The module constant ``TONDO_PLUGIN`` of a plugin, read before anything of it is registered.

    Attributes:
        name: what a person calls the plugin.
        api: the :data:`PLUGIN_API` that it was written for.
        min_core: oldest version of tondo-core that it works with, such as ``"0.1"``.
    """

    name: str
    api: int = PLUGIN_API
    min_core: str = "0"


@dataclass(frozen=True, slots=True)
class PluginReport:
    """What became of one plugin.

    Attributes:
        id: name of the entry point, shown with unsafe characters escaped.
        distribution: name of the package that brings it.
        version: version of that package.
        status: ``loaded``; ``blocked`` by the user's choice; ``incompatible`` with this host; or ``failed``.
        diagnostics: why it is not loaded, or warnings.
        provides: names of its components by hook, for a loaded plugin.
    """

    id: str
    distribution: str
    version: str
    status: Status
    diagnostics: tuple[Diagnostic, ...] = ()
    provides: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def origin(self) -> str:
        """The plugin and its package for messages: ``'onnx' (tondo-onnx 0.1.0)``."""
        return f"'{self.id}' ({self.distribution} {self.version})"


def is_identifier(text: str) -> bool:
    """Return whether ``text`` may name a plugin: lower-case letters, digits and single ``.``, ``_``, ``-``."""
    return len(text) <= _MAX_ID and _ID.fullmatch(text) is not None


def printable(text: str) -> str:
    """Return ``text`` for a terminal: control and non-ASCII characters escaped, long texts cut."""
    shown = ascii(text)[1:-1]
    return shown if len(shown) <= _MAX_ID else f"{shown[:_MAX_ID]}..."


def older(version: str, minimum: str) -> bool:
    """Return whether ``version`` is older than ``minimum``, comparing the numbers of their releases."""
    numbers, wanted = _release(version), _release(minimum)
    length = max(len(numbers), len(wanted))
    return numbers + (0,) * (length - len(numbers)) < wanted + (0,) * (length - len(wanted))


def _release(version: str) -> tuple[int, ...]:
    release: list[int] = []
    for part in version.split("+", maxsplit=1)[0].split("."):
        match = _NUMBERS.match(part)
        if match is None:
            break
        release.append(int(match.group()))
        if match.group() != part:
            break
    return tuple(release)
