"""L2: operators by element types and shapes, against the reference interpreter."""

from __future__ import annotations
