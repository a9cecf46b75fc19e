"""Compile a model, write the artifact, tell where the time went."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tondo.driver import Tools
from tondo.passes import Dump, Timing
from tondo.script import script
from tondo_cli import clock
from tondo_cli.models import Choice
from tondo_cli.output import Output
from tondo_cli.placement import placement_lines
from tondo_cli.text import size, table

_SLOWEST: Final = 10


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted besides the artifact.

    Attributes:
        output: the artifact; named after the model, in the current folder, if None.
        timings: whether to print where the time went.
        trace: where to write the times for a browser.
        dump: folder for the module before and after each pass.
        placement: whether to print which functions libraries run.
    """

    output: Path | None = None
    timings: bool = False
    trace: Path | None = None
    dump: Path | None = None
    placement: bool = False


def compile_model(model: Path | None, choice: Choice, wish: Wish, out: Output) -> None:
    """Compile ``model``, or the one that the pipeline file names."""
    timing = Timing("total", clock.began())
    timing.record("start", clock.began(), time.perf_counter())
    with out.working() as reporter:
        instruments = [Dump.to_folder(wish.dump, script)] if wish.dump is not None else []
        compiled = choice.compile(model, Tools(reporter=reporter, timing=timing, instruments=instruments))
        path = wish.output or Path(f"{compiled.name}.tondo")
        manifest = compiled.save(path)
    if wish.trace is not None:
        timing.to_chrome_trace(wish.trace)
    seconds = timing.root.seconds
    value = {
        "artifact": str(path),
        "bytes": path.stat().st_size,
        "seconds": seconds,
        "from_cache": compiled.from_cache,
        "target": manifest.to_json()["target"],
        "inputs": [spec.to_json() for spec in manifest.inputs],
        "outputs": [spec.to_json() for spec in manifest.outputs],
        "kernels": list(manifest.kernels),
        "placement": [dict(row) for row in manifest.placement],
        "timings": [{**span.as_json(), "depth": depth} for depth, span in timing.root.walk()],
    }
    source = "taken from the cache" if compiled.from_cache else "compiled"
    machine = f"{manifest.target.kind} {manifest.target.cpu}".strip()
    summary = f"{path} ({size(path.stat().st_size)}), {source} in {seconds:.1f} s for {machine}"
    report = placement_lines(manifest.placement) if wish.placement else ()
    summary = f"{summary}, {len(manifest.kernels)} kernels"
    out.result(value, _lines(summary, report, timing if wish.timings else None))


def _lines(summary: str, report: Iterable[str], timing: Timing | None) -> Iterator[str]:
    yield summary
    yield from report
    if timing is None:
        return
    yield from timing.table().splitlines()
    pieces = timing.in_lanes()
    if pieces:
        together = sum(piece.seconds for piece in pieces)
        shown = min(_SLOWEST, len(pieces))
        yield f"code took the threads {together:.3f} s together; the longest {shown} of {len(pieces)} pieces:"
        rows = [
            (
                f"{piece.seconds:.3f} s",
                f"{100 * piece.seconds / together:.1f} %",
                size(int(piece.facts["bytes"])),
                piece.name,
            )
            for piece in pieces[:shown]
        ]
        yield from (f"  {line}" for line in table(rows))
