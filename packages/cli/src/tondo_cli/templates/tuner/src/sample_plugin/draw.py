"""``sample_plugin.draw_schedules``: as ``tensor.schedule``, with decisions drawn at random instead of the priors.

A schedule rule asks for every decision by name; the context below answers with one of the candidates that the rule
would accept. Equal seeds give equal schedules. Decisions that do not go together leave the function to
``tensor.schedule``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, TypeVar

from tondo.diagnostics import TondoError
from tondo.ir import Attrs, IRModule, TensorFunction
from tondo.passes import Choice, Miss, PassContext, ScheduleRule
from tondo_schedule import Sampler

if TYPE_CHECKING:
    from tondo.target import Intrinsic, IntrinsicFamily, Target

C = TypeVar("C", bound=Choice)


@dataclass(slots=True)
class Drawn:
    """The context of one application of a rule: facts from the pass, decisions from the sampler."""

    target: Target
    intrinsics: Sequence[Intrinsic]
    families: Sequence[IntrinsicFamily]
    sampler: Sampler
    taken: dict[str, Choice] = field(default_factory=dict[str, Choice])

    def choose(
        self, name: str, candidates: Sequence[C], *, prior: C, constraint: Callable[[C], bool] | None = None
    ) -> C:
        """Return any candidate that fulfils the constraint, and keep it."""
        value = self.sampler.choose(name, (prior, *candidates), prior=prior, constraint=constraint)
        self.taken[name] = value
        return value


@dataclass(frozen=True, slots=True)
class DrawSchedules:
    """Schedule functions with random decisions. ``seed``: 0 leaves every function to the priors."""

    name: ClassVar[str] = "sample_plugin.draw_schedules"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset()
    seed: int = 0

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with schedules that were drawn."""
        if self.seed == 0:
            return module
        rules = sorted(context.rules.values(), key=lambda rule: (-rule.priority, rule.name))
        sampler = Sampler(self.seed)
        functions = [function for function in module.tensor_functions() if "rule" not in function.attrs]
        return module.with_functions([_scheduled(function, rules, context, sampler) for function in functions])


def _scheduled(
    function: TensorFunction, rules: Sequence[ScheduleRule], context: PassContext, sampler: Sampler
) -> TensorFunction:
    for rule in rules:
        drawn = Drawn(context.target, context.intrinsics, context.families, sampler)
        try:
            result = rule.apply(function, drawn)
        except TondoError:  # the decisions do not go together
            return function
        if not isinstance(result, Miss):
            return replace(result, attrs=result.attrs.with_(rule=rule.name, choices=Attrs(drawn.taken)))
    return function
