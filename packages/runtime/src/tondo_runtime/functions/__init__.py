"""Functions that every runtime registers: what is by nature not arithmetic. Compiled models call them by name."""

from __future__ import annotations

from tondo_runtime.functions import random, sequences, texts

__all__ = ["random", "sequences", "texts"]
