"""L1: what is accepted compiles and is right, all else is refused with a code; code is the same every time."""

from __future__ import annotations
