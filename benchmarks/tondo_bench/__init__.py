"""Tondo side by side with other engines: processes that take turns, figures, and a roofline of every kernel."""

from __future__ import annotations
