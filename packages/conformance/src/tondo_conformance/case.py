"""A case: what the test run knows of it, and what it does in the worker."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tondo_conformance.backend import Backend
from tondo_conformance.result import CaseInfo
from tondo_conformance.settings import LEVELS, Settings

Work = Callable[[Backend], "dict[str, float] | None"]
"""What a case does. It returns figures that it measured, or raises; see :mod:`tondo_conformance.outcome`."""


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the worker: ``quick`` cases are those of the short selection."""

    info: CaseInfo
    work: Work
    quick: bool = True


def case(
    level: str,
    group: str,
    variant: str,
    work: Work,
    *,
    dtype: str = "",
    about: str = "",
    alone: bool = False,
    patience: float = 1.0,
    quick: bool = True,
) -> Case:
    """Return the case; its id is made of its parts. Without ``about``, the docstring of ``work`` tells it."""
    name = "/".join(part for part in (level, group, dtype, variant) if part)
    told = about or (work.__doc__ or "").strip().split("\n")[0]
    return Case(CaseInfo(name, level, group, variant, dtype, told, alone, patience), work, quick)


def chosen(cases: Iterable[Case], settings: Settings) -> Iterator[Case]:
    """Yield the cases that ``settings`` ask for.

    Raises:
        ValueError: if two cases have one id.
    """
    order = list(LEVELS)
    wanted = set(order[: order.index(settings.level) + 1])
    seen: set[str] = set()
    for entry in cases:
        name = entry.info.id
        if name in seen:
            msg = f"two cases are called '{name}'"
            raise ValueError(msg)
        seen.add(name)
        if entry.info.level in wanted and (entry.quick or not settings.quick) and matches(name, settings.select):
            yield entry


def matches(name: str, patterns: str) -> bool:
    """Return whether ``patterns`` choose ``name``.

    A pattern is one of shells, such as ``L2/add/*``; one without wildcards chooses every id that contains it. A
    pattern after ``-`` leaves out; the others are alternatives.
    """
    parts = [part.strip() for part in patterns.split(",") if part.strip()]
    out = [part[1:] for part in parts if part.startswith("-")]
    taken = [part for part in parts if not part.startswith("-")]
    return not any(_matches(name, part) for part in out) and (not taken or any(_matches(name, part) for part in taken))


def _matches(name: str, pattern: str) -> bool:
    if any(sign in pattern for sign in "*?["):
        return fnmatch.fnmatchcase(name, pattern)
    return pattern in name
