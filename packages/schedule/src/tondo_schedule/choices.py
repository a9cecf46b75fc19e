"""Where decisions come from: the expert's value, a seeded random source, or what was recorded.

One concept: a hole with a name, candidates and a prior, filled by :meth:`Chooser.choose`. The context of a schedule
rule is a chooser, and the sampling primitives ask one, so a rule and a schedule that samples are the same probabilistic
program. The trace records what was decided, so that a replay decides the same without any chooser.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tondo.diagnostics import fail
from tondo.passes import Choice

C = TypeVar("C", bound=Choice)


class Chooser(Protocol):
    """Fills holes; every rule context is one."""

    def choose(
        self, name: str, candidates: Sequence[C], *, prior: C, constraint: Callable[[C], bool] | None = None
    ) -> C:
        """Return one of ``candidates`` (or ``prior``) for which ``constraint`` holds."""
        ...


@dataclass(frozen=True, slots=True)
class Priors:
    """Takes the prior, else the first candidate that fulfils the constraint."""

    def choose(
        self, name: str, candidates: Sequence[C], *, prior: C, constraint: Callable[[C], bool] | None = None
    ) -> C:
        """Return the prior.

        Raises:
            TondoError: TND-B003 if no value fulfils the constraint.
        """
        for option in (prior, *candidates):
            if constraint is None or constraint(option):
                return option
        return fail("TND-B003", f"no candidate of the choice {name!r} fulfils its constraint")


@dataclass(slots=True)
class Sampler:
    """Takes any candidate with equal probability; equal seeds give equal decisions."""

    seed: int
    _source: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Seed the source."""
        self._source = random.Random(self.seed)

    def choose(
        self, name: str, candidates: Sequence[C], *, prior: C, constraint: Callable[[C], bool] | None = None
    ) -> C:
        """Return a random candidate.

        Raises:
            TondoError: TND-B003 if no value fulfils the constraint.
        """
        allowed = [option for option in candidates if constraint is None or constraint(option)]
        return (
            self._source.choice(allowed) if allowed else Priors().choose(name, (), prior=prior, constraint=constraint)
        )
