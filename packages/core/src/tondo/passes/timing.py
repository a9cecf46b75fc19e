"""Where the time of a compilation goes: a tree of named, nested spans."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Span:
    """One measured stretch: seconds include those of the parts."""

    name: str
    seconds: float = 0.0
    parts: list[Span] = field(default_factory=list["Span"])

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """Yield this span and all below it with their depth, parents first."""
        yield depth, self
        for part in self.parts:
            yield from part.walk(depth + 1)


class Timing:
    """A clock for nested spans; not for use from several threads at once."""

    def __init__(self, name: str = "total") -> None:
        """Begin with an empty tree whose root is ``name``."""
        self.root = Span(name)
        self._open: list[tuple[Span, float]] = []

    def begin(self, name: str) -> None:
        """Open a span as a part of the one that is open now."""
        span = Span(name)
        parent = self._open[-1][0] if self._open else self.root
        parent.parts.append(span)
        self._open.append((span, time.perf_counter()))

    def end(self) -> None:
        """Close the span that was opened last."""
        span, begin = self._open.pop()
        span.seconds = time.perf_counter() - begin
        if not self._open:
            self.root.seconds = sum(part.seconds for part in self.root.parts)

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

    def table(self) -> str:
        """Return the tree as text: seconds, share of the total, name indented by depth."""
        total = self.root.seconds or 1.0
        rows = [
            f"{span.seconds:9.3f} s {100 * span.seconds / total:5.1f} %  {'  ' * depth}{span.name}"
            for depth, span in self.root.walk()
        ]
        return "\n".join(rows)
