"""Functions that every runtime registers: what is by nature not arithmetic. Compiled models call them by name."""

from __future__ import annotations

from tondo_runtime.functions import images, random, sequences, signals, sorting, texts

__all__ = ["images", "random", "sequences", "signals", "sorting", "texts"]
