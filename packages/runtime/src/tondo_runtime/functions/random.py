"""Keys of random numbers: a seed of the process, and how many keys were drawn since it was set.

Compiled models compute random numbers from such keys. A process starts with a seed of its own; after :func:`seed`, the
same calls of the same models give the same numbers, if they do not run side by side.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from tondo_runtime.errors import fail
from tondo_runtime.registry import register

if TYPE_CHECKING:
    from tondo_runtime.tensors import Array

_LIMIT = 1 << 63


class _Keys:
    """The seed and the number of keys that were drawn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._seed = _fresh()
        self._drawn = 0

    def start(self, seed: int) -> None:
        with self._lock:
            self._process, self._seed, self._drawn = os.getpid(), seed, 0

    def draw(self) -> tuple[int, int]:
        with self._lock:
            if self._process != os.getpid():
                # The child of a fork would repeat the numbers of its parent.
                self._process, self._seed, self._drawn = os.getpid(), _fresh(), 0
            self._drawn += 1
            return self._seed, self._drawn - 1


def _fresh() -> int:
    return int.from_bytes(os.urandom(7), "little")


_keys = _Keys()


def seed(value: int) -> None:
    """Start the random numbers of all models of this process anew, from ``value``.

    Nodes that bring a seed of their own do not depend on it.

    Raises:
        RuntimeFailure: TND-U005 if ``value`` is no integer of 0 to 2^63 - 1.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LIMIT:  # pyright: ignore[reportUnnecessaryIsInstance]
        fail("TND-U005", f"the seed is {value!r}, it has to be a number from 0 to {_LIMIT - 1}")
    _keys.start(value)


@register("tondo.random.key")
def draw_key(out: Array) -> None:
    """Write the next key into ``out``, int64 ``[2]``."""
    out[...] = _keys.draw()
