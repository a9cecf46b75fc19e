"""Where the tensor functions of a module run and why: what ``graph.partition`` leaves behind.

The rows stand in the module's attribute ``placement``, so that they print, parse and travel with it; an artifact's
manifest holds them as JSON.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Literal, cast

from tondo.ir import Attrs, IRModule

PLACEMENT: Final = "placement"
"""Attribute of a module: the rows, in the order of the calls."""

GENERATED: Final = "generated"

Origin = Literal["measured", "estimated", ""]
"""Where the times of a row come from; empty: it has none."""


@dataclass(frozen=True, slots=True)
class Placement:
    """One function that some library was asked about.

    Attributes:
        function: the tensor function, or the one that it became.
        runs: the library that runs it, ``"generated"`` if none does.
        library: the library that the row is about; several libraries that were asked have a row each.
        reason: one clause.
        calls: how many calls of the graph the row stands for.
        library_seconds: time of one call by the library, None if unknown.
        crossing_seconds: what else it costs that the library runs it: arrangements and fusions that are lost.
        generated_seconds: time of one call of generated code, None if unknown.
        origin: where the times come from.
        source: where in the model the first of the calls stands, if that is known.
        sizes: preferred sizes that the row is about, such as ``"batch = 1"``; empty for any sizes.
    """

    function: str
    runs: str
    library: str
    reason: str
    calls: int = 1
    library_seconds: float | None = None
    crossing_seconds: float | None = None
    generated_seconds: float | None = None
    origin: Origin = ""
    source: str = ""
    sizes: str = ""

    def to_json(self) -> dict[str, str | int | float]:
        """Return the row as plain values; what is unknown or empty is left out."""
        return {name: value for name, value in _values(self).items() if value is not None and value != ""}

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> Placement:
        """Return the row of plain values."""
        origin = str(values.get("origin", ""))
        return cls(
            *(str(values.get(name, "")) for name in ("function", "runs", "library", "reason")),
            calls=int(str(values.get("calls", 1))),
            library_seconds=_seconds(values.get("library_seconds")),
            crossing_seconds=_seconds(values.get("crossing_seconds")),
            generated_seconds=_seconds(values.get("generated_seconds")),
            origin=cast("Origin", origin if origin in {"measured", "estimated"} else ""),
            source=str(values.get("source", "")),
            sizes=str(values.get("sizes", "")),
        )


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def with_placements(module: IRModule, rows: Iterable[Placement]) -> IRModule:
    """Return ``module`` with ``rows`` as its report; without the attribute if there are none."""
    texts = tuple(Attrs(row.to_json()) for row in rows)
    return module.with_attrs(module.attrs.with_(**{PLACEMENT: texts}) if texts else module.attrs.without(PLACEMENT))


def placements_of(module: IRModule) -> list[Placement]:
    """Return the report that stands in the attributes of ``module``."""
    rows = module.attrs.get(PLACEMENT, ())
    assert isinstance(rows, tuple)
    return [Placement.from_json(row) for row in rows if isinstance(row, Attrs)]


def merged(rows: Sequence[Placement]) -> list[Placement]:
    """Return ``rows`` with equal ones as one row of their calls together, in the order of the first of each."""
    counts: dict[Placement, int] = {}
    first: dict[Placement, Placement] = {}
    for row in rows:
        key = replace(row, calls=1, source="")
        counts[key] = counts.get(key, 0) + row.calls
        first.setdefault(key, row)
    return [replace(first[key], calls=count) for key, count in counts.items()]


def _values(row: Placement) -> dict[str, str | int | float | None]:
    return {entry.name: getattr(row, entry.name) for entry in fields(row)}
