"""What the operator families share: dimensions, attributes, types, indices, messages."""

from __future__ import annotations
