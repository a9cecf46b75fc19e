"""Mutated models: each is refused with a code or computes what a reference computes, and nothing else happens."""

from __future__ import annotations
