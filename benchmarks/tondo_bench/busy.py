"""A machine that others use too: processes that do nothing but compute, on the same processors."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

_PROGRAM = "import os, sys; os.sched_setaffinity(0, map(int, sys.argv[1].split(',')))\nwhile True: pass"
_SETTLE_SECONDS = 0.3


@contextlib.contextmanager
def busy(processors: Sequence[int], processes: int = 2) -> Iterator[None]:
    """Keep ``processors`` busy with ``processes`` other processes while the block runs."""
    words = ",".join(str(number) for number in processors)
    competitors = [subprocess.Popen([sys.executable, "-c", _PROGRAM, words]) for _ in range(processes)]
    try:
        time.sleep(_SETTLE_SECONDS)
        yield
    finally:
        for competitor in competitors:
            competitor.kill()
        for competitor in competitors:
            competitor.wait()
