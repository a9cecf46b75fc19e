"""When the command line began, so that a report of times can begin with what it took to get there."""

from __future__ import annotations

import time

_began = [time.perf_counter()]  # the entry point imports this module first


def restart() -> None:
    """Take now as the begin: for a command that is run inside a process that does other things."""
    _began[0] = time.perf_counter()


def began() -> float:
    """Return the value of ``time.perf_counter`` at the begin."""
    return _began[0]
