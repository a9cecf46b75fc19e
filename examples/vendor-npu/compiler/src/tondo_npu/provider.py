"""Targets with the accelerator: a host CPU, whatever the installed packages know of it, and the chip."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from tondo.target import parse_target
from tondo_npu.machine import FEATURE, KIND, attributes

if TYPE_CHECKING:
    from tondo.target import Target, TargetProvider


@dataclass(frozen=True, slots=True)
class NpuTargets:
    """Targets of kind ``npu``; their CPUs are those of kind ``cpu``."""

    name: str = KIND
    kind: str = KIND
    priority: int = 0

    def names(self) -> tuple[str, ...]:
        """Return the names of host CPUs."""
        found = [name for provider in _hosts() for name in provider.names()]
        return tuple(dict.fromkeys(found))

    def detect(self) -> Target:
        """Return this machine with the accelerator; the simulator runs anywhere."""
        return self.make("native")

    def make(self, cpu: str, features: Sequence[str] = ()) -> Target:
        """Return the target whose host is ``cpu`` with ``features`` changed.

        Raises:
            TondoError: TND-U007 for a CPU or a feature that no installed package knows.
        """
        host = parse_target({"kind": "cpu", "cpu": cpu, "features": list(features)}, _hosts())
        attrs = {**dict(host.attrs), **dict(attributes())}
        return replace(host, kind=KIND, features=host.features | {FEATURE}, attrs=tuple(sorted(attrs.items())))


def _hosts() -> tuple[TargetProvider, ...]:
    """Return what the installed packages know of CPUs, those that ``TONDO_PLUGINS`` leaves out excepted."""
    return _hosts_among(os.environ.get("TONDO_PLUGINS", ""))


@lru_cache(maxsize=8)
def _hosts_among(plugins: str) -> tuple[TargetProvider, ...]:
    from tondo.plugin import collect

    return tuple(provider for provider in collect(plugins, strict=False).targets.values() if provider.kind == "cpu")


def host_of(target: Target) -> Target:
    """Return the CPU of a target with the accelerator, as a target of its own."""
    own = dict(attributes())
    attrs = tuple((name, value) for name, value in target.attrs if name not in own)
    return replace(target, kind="cpu", features=target.features - {FEATURE}, attrs=attrs)
