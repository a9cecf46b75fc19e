"""The verifier: rules of well-formed modules as a table, per stage."""

from __future__ import annotations

from tondo.passes.verify.rules import STAGES, require, verifiers, verify

__all__ = ["STAGES", "require", "verifiers", "verify"]
