"""One file per command; each holds a typer application named ``app``."""

from __future__ import annotations

__all__: list[str] = []
