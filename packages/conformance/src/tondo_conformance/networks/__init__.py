"""L3: small but real networks with seeded random weights, several sizes from one artifact."""

from __future__ import annotations
