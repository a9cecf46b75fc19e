"""Operators on signals: Fourier transforms and frames."""

from __future__ import annotations

from tondo_ops.signal.dft import OPERATORS as DFT
from tondo_ops.signal.frames import OPERATORS as FRAMES

OPERATORS = (*DFT, *FRAMES)

__all__ = ["OPERATORS"]
