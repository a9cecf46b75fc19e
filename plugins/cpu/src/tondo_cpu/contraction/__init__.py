"""Contractions: matrix products, convolutions, attention, any sum of products."""

from __future__ import annotations
