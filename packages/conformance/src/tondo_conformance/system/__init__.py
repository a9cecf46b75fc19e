"""L4: the system around a model: memory, threads, processes, files, failures."""

from __future__ import annotations
