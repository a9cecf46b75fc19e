"""What may watch a pipeline: an instrument sees the module before and after each pass and changes nothing.

Printing and parsing are given as functions, because the harness stands below the script.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tondo.diagnostics import fail
from tondo.ir import ConstantData, IRModule
from tondo.passes.reporter import Reporter
from tondo.passes.timing import Timing

Printer = Callable[[IRModule], str]
Parser = Callable[[str, Mapping[str, ConstantData]], IRModule]
"""Parses a text; the second argument has the contents of the constants that the text names."""


@dataclass(frozen=True, slots=True)
class Step:
    """A position in a pipeline: ``index`` counts from 0; ``name`` is the pass's."""

    index: int
    total: int
    name: str


class Instrument(Protocol):
    """Watches a pipeline. A raised :class:`~tondo.diagnostics.TondoError` stops it."""

    def before(self, step: Step, module: IRModule) -> None:
        """Receive the module that the pass will get."""
        ...

    def after(self, step: Step, module: IRModule) -> None:
        """Receive the module that the pass returned; not called when the pass failed."""
        ...


@dataclass(frozen=True, slots=True)
class TimePasses:
    """Measures every pass as a part of the span of ``timing`` that is open."""

    timing: Timing

    def before(self, step: Step, module: IRModule) -> None:
        """Start the clock."""
        self.timing.begin(step.name)

    def after(self, step: Step, module: IRModule) -> None:
        """Stop the clock."""
        self.timing.end()


@dataclass(frozen=True, slots=True)
class Dump:
    """Hands the printed module to ``sink(name, text)`` before the first and after each pass.

    Names sort in order: ``00-input``, ``01-graph.fuse``, ...
    """

    printer: Printer
    sink: Callable[[str, str], None]

    @staticmethod
    def to_folder(folder: Path, printer: Printer) -> Dump:
        """Return a dump into files ``NN-pass.py`` of ``folder``, which is made."""
        folder.mkdir(parents=True, exist_ok=True)

        def write(name: str, text: str) -> None:
            (folder / f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)}.py").write_text(text, encoding="utf-8")

        return Dump(printer, write)

    def before(self, step: Step, module: IRModule) -> None:
        """Hand out the input of the first pass."""
        if step.index == 0:
            self.sink(f"{0:0{_width(step)}d}-input", self.printer(module))

    def after(self, step: Step, module: IRModule) -> None:
        """Hand out the result."""
        self.sink(f"{step.index + 1:0{_width(step)}d}-{step.name}", self.printer(module))


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Checks that printing a module and parsing the text gives an equal module."""

    printer: Printer
    parser: Parser

    def before(self, step: Step, module: IRModule) -> None:
        """Check the input of the first pass."""
        if step.index == 0:
            self._check(module, "the input of the pipeline")

    def after(self, step: Step, module: IRModule) -> None:
        """Check the result."""
        self._check(module, f"the result of the pass '{step.name}'")

    def _check(self, module: IRModule, what: str) -> None:
        parsed = self.parser(self.printer(module), module.constants)
        if parsed == module:
            return
        different = [name for name, value in module.functions.items() if parsed.functions.get(name) != value]
        fail(
            "TND-B001",
            f"{what} does not survive printing and parsing",
            notes=[f"different functions: {', '.join(different) or 'none; constants or attributes differ'}"],
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """Tells a reporter which pass runs."""

    reporter: Reporter
    step: str = "passes"

    def before(self, step: Step, module: IRModule) -> None:
        """Tell that the pass begins."""
        self.reporter.progress(f"{self.step}: {step.name}", step.index, step.total)

    def after(self, step: Step, module: IRModule) -> None:
        """Tell that the pass ended."""
        self.reporter.progress(f"{self.step}: {step.name}", step.index + 1, step.total)


def _width(step: Step) -> int:
    return max(2, len(str(step.total)))
