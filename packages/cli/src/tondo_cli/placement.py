"""The report of ``graph.partition`` as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tondo_cli.text import printable, table

_HEADER: Final = ("function", "calls", "runs", "asked", "library", "crossing", "generated", "times", "reason", "from")


def placement_lines(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Yield the lines of the report whose rows are those of a manifest; times are of one call, in microseconds."""
    if not rows:
        yield "placement: no library was asked, or none offered to run anything"
        return
    counts: dict[str, int] = {}
    for row in rows:
        runs = str(row.get("runs", ""))
        counts[runs] = counts.get(runs, 0) + int(str(row.get("calls", 1)))
    told = ", ".join(f"{printable(name)} runs {count}" for name, count in counts.items())
    yield f"placement of the calls that libraries offered to run: {told}; times of one call in microseconds"
    yield from (f"  {line}" for line in table([_cells(row) for row in rows], _HEADER))


def _cells(row: Mapping[str, object]) -> tuple[str, ...]:
    function = " ".join(filter(None, [str(row.get("function", "")), _sizes(row)]))
    return tuple(
        printable(cell)
        for cell in (
            function,
            str(row.get("calls", 1)),
            str(row.get("runs", "")),
            str(row.get("library", "")),
            _time(row.get("library_seconds")),
            _time(row.get("crossing_seconds")),
            _time(row.get("generated_seconds")),
            str(row.get("origin", "")),
            str(row.get("reason", "")),
            str(row.get("source", "")),
        )
    )


def _sizes(row: Mapping[str, object]) -> str:
    return f"({row['sizes']})" if row.get("sizes") else ""


def _time(seconds: object) -> str:
    return f"{1e6 * seconds:.1f}" if isinstance(seconds, int | float) else ""
