"""Schedule rules: functions with holes that turn a tensor function into a scheduled one, or say why they do not.

A rule asks its context for every decision with :meth:`RuleContext.choose`. Without a search the recorded or the
prior value is taken, so the rule is the default schedule; under a search the same rule is the space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from tondo.diagnostics import fail

if TYPE_CHECKING:
    from tondo.ir import TensorFunction
    from tondo.target.intrinsic import Intrinsic, IntrinsicFamily
    from tondo.target.target import Target

Choice = bool | int | str | tuple[int, ...]
"""A decision: a plain value, so that it can be recorded."""

C = TypeVar("C", bound=Choice)


@dataclass(frozen=True, slots=True)
class Miss:
    """What a rule returns that does not apply; ``reason`` is one clause, shown in reports."""

    reason: str


class RuleContext(Protocol):
    """What a schedule rule may look at and ask."""

    @property
    def target(self) -> Target:
        """The machine to schedule for."""
        ...

    @property
    def intrinsics(self) -> Sequence[Intrinsic]:
        """Declared instructions that the target has, cheapest first."""
        ...

    @property
    def families(self) -> Sequence[IntrinsicFamily]:
        """Declared families of instructions that the target has, cheapest first."""
        ...

    def choose(
        self,
        name: str,
        candidates: Sequence[C],
        *,
        prior: C,
        constraint: Callable[[C], bool] | None = None,
    ) -> C:
        """Decide the hole ``name``: return one of ``candidates`` for which ``constraint`` holds.

        Args:
            name: unique within one application of the rule.
            candidates: what a search may try, in a fixed order.
            prior: the expert's value, taken when nothing was recorded; need not be among the candidates.
            constraint: what a value must fulfil; may depend on earlier choices.

        Raises:
            TondoError: TND-B003 if no value fulfils the constraint.
        """
        ...


@runtime_checkable
class ScheduleRule(Protocol):
    """Schedules tensor functions of one structure.

    Attributes:
        name: unique dotted name, such as ``"cpu.contraction"``.
        priority: of the rules that a pipeline names, the one with the highest priority is asked first.
    """

    @property
    def name(self) -> str:
        """Unique dotted name."""
        ...

    @property
    def priority(self) -> int:
        """Who is asked first."""
        ...

    def apply(self, function: TensorFunction, context: RuleContext) -> TensorFunction | Miss:
        """Return the scheduled function, or why the rule does not apply; never changes ``function``."""
        ...


@dataclass(slots=True)
class RecordedChoices:
    """The rule context without a search: takes recorded decisions, else priors, and keeps what was taken.

    Attributes:
        target: the machine to schedule for.
        intrinsics: instructions that the target has.
        recorded: decisions by hole name; one that breaks its constraint today is passed over.
        taken: the decisions of this application, in order; a later ``recorded``.
        families: families of instructions that the target has.
    """

    target: Target
    intrinsics: Sequence[Intrinsic] = ()
    recorded: Mapping[str, Choice] = field(default_factory=dict[str, Choice])
    taken: dict[str, Choice] = field(default_factory=dict[str, Choice])
    families: Sequence[IntrinsicFamily] = ()

    def choose(
        self,
        name: str,
        candidates: Sequence[C],
        *,
        prior: C,
        constraint: Callable[[C], bool] | None = None,
    ) -> C:
        """Return the recorded value, else the prior, else the first candidate that fulfils the constraint."""
        if name in self.taken:
            fail("TND-B003", f"the rule asks twice for the choice {name!r}")
        options = [prior, *candidates]
        earlier = self.recorded.get(name)
        matching = [option for option in options if option == earlier and type(option) is type(earlier)]
        for option in [*matching, *options]:
            if constraint is None or constraint(option):
                self.taken[name] = option
                return option
        return fail("TND-B003", f"no candidate of the choice {name!r} fulfils its constraint")
