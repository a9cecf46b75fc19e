"""Row chains: attention and whatever else multiplies functions of the rows of a product."""

from __future__ import annotations
