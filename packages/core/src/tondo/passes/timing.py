"""Where the time of a compilation goes: a tree of named, nested spans, as a table and as a trace for a browser.

Spans of one thread nest; what other threads do is recorded afterwards, in a lane of its own. A span can carry facts:
how many functions it dealt with, how many of them were equal or found in a cache.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Fact = int | str


@dataclass(slots=True)
class Span:
    """One measured stretch.

    Attributes:
        name: what was done.
        seconds: how long it took, parts included.
        begin: seconds from the origin of the clock.
        lane: the thread, empty for the one that compiles; lanes run side by side, so their times do not add up.
        facts: numbers and words to show beside the time.
        parts: spans inside this one.
    """

    name: str
    seconds: float = 0.0
    begin: float = 0.0
    lane: str = ""
    facts: dict[str, Fact] = field(default_factory=dict[str, "Fact"])
    parts: list[Span] = field(default_factory=list["Span"])

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """Yield this span and all below it with their depth, parents first."""
        yield depth, self
        for part in self.parts:
            yield from part.walk(depth + 1)

    def as_json(self) -> dict[str, object]:
        """Return name, seconds and what else is there."""
        value: dict[str, object] = {"name": self.name, "seconds": self.seconds, "begin": self.begin}
        if self.lane:
            value["lane"] = self.lane
        return {**value, "facts": dict(self.facts)} if self.facts else value


class Timing:
    """A clock for nested spans; not for use from several threads at once."""

    def __init__(self, name: str = "total", origin: float | None = None) -> None:
        """Begin with an empty tree whose root is ``name``; ``origin``: a value of ``time.perf_counter``, else now."""
        self.root = Span(name)
        self._origin = time.perf_counter() if origin is None else origin
        self._open: list[tuple[Span, float]] = []

    def begin(self, name: str) -> None:
        """Open a span as a part of the one that is open now."""
        now = time.perf_counter()
        span = Span(name, begin=now - self._origin)
        self._current().parts.append(span)
        self._open.append((span, now))

    def end(self) -> None:
        """Close the span that was opened last."""
        span, begin = self._open.pop()
        span.seconds = time.perf_counter() - begin
        self._sum()

    @contextmanager
    def measure(self, name: str) -> Generator[None]:
        """Measure the body of a ``with`` statement; closes what an exception left open inside."""
        depth = len(self._open)
        self.begin(name)
        try:
            yield
        finally:
            while len(self._open) > depth:
                self.end()

    def note(self, **facts: Fact) -> None:
        """Give the open span ``facts``."""
        self._current().facts.update(facts)

    def record(self, name: str, begin: float, end: float, lane: str = "", **facts: Fact) -> None:
        """Add a finished part to the open span; ``begin`` and ``end`` are values of ``time.perf_counter``."""
        self._current().parts.append(Span(name, end - begin, begin - self._origin, lane, dict(facts)))
        self._sum()

    def table(self) -> str:
        """Return the tree as text: seconds, share of the total, name indented by depth, facts; lanes are left out."""
        total = self.root.seconds or 1.0
        rows = [
            f"{span.seconds:9.3f} s {100 * span.seconds / total:5.1f} %  {'  ' * depth}{span.name}{_facts(span)}"
            for depth, span in self.root.walk()
            if not span.lane
        ]
        return "\n".join(rows)

    def in_lanes(self) -> list[Span]:
        """Return what ran in other threads, the longest first."""
        return sorted((span for _, span in self.root.walk() if span.lane), key=lambda span: (-span.seconds, span.name))

    def to_chrome_trace(self, path: str | os.PathLike[str]) -> None:
        """Write the spans to ``path`` for ``chrome://tracing`` or Perfetto: one row per lane.

        Format: "Trace Event Format", complete events; times in microseconds.
        """
        Path(path).write_text(json.dumps({"traceEvents": list(self._events())}), encoding="utf-8")

    def _events(self) -> Iterator[Mapping[str, object]]:
        lanes = {"": 0}
        for _, span in self.root.walk():
            if span is self.root:
                continue
            row = lanes.setdefault(span.lane, len(lanes))
            place = {"pid": os.getpid(), "tid": row, "ts": 1e6 * span.begin, "dur": 1e6 * span.seconds}
            yield {"name": span.name, "ph": "X", "cat": "compile", **place, "args": dict(span.facts)}
        for lane, row in lanes.items():
            name = {"name": lane or self.root.name}
            yield {"name": "thread_name", "ph": "M", "pid": os.getpid(), "tid": row, "args": name}

    def _current(self) -> Span:
        return self._open[-1][0] if self._open else self.root

    def _sum(self) -> None:
        if not self._open:
            self.root.seconds = sum(part.seconds for part in self.root.parts if not part.lane)


def _facts(span: Span) -> str:
    words = [f"{name.replace('_', ' ')} {value}" for name, value in span.facts.items()]
    return f"  ({', '.join(words)})" if words else ""
