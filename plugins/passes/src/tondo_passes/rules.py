"""Schedule rules that a pass asks: those with what it wants to know, the one with the highest priority first."""

from __future__ import annotations

from typing import TypeVar

from tondo.passes import PassContext

T = TypeVar("T")


def rules_that(offer: type[T], context: PassContext) -> list[T]:
    """Return the rules of ``context`` that have the methods of the runtime protocol ``offer``, in order."""
    ordered = sorted(context.rules.values(), key=lambda rule: (-rule.priority, rule.name))
    return [rule for rule in ordered if isinstance(rule, offer)]
