"""L0: how a plugin arrives: metadata, handshake, cost of its import, well-formed components, leaving it out."""

from __future__ import annotations
