"""``tensor.schedule``: every tensor function gets the schedule of the first rule that applies.

Rules are asked by priority, highest first; ``rules`` restricts them to those named. The name of the rule that fired
stands in the function's attribute ``rule``, the decisions that it took in ``choices``. A function that already has a
``rule`` (an expert's own schedule), and one that a library runs, is left alone. Refuses (TND-B003) a function that no
rule takes, with the reason of each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.diagnostics import fail, suggest
from tondo.ir import Attrs, IRModule, TensorFunction
from tondo.passes import Miss, RecordedChoices
from tondo.passes.library import placed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tondo.passes import PassContext, ScheduleRule


@dataclass(frozen=True)
class ScheduleFunctions:
    """Apply schedule rules. ``rules``: names of the rules to ask; all registered ones if empty."""

    name: ClassVar[str] = "tensor.schedule"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset({"scheduled"})
    rules: tuple[str, ...] = ()

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with its tensor functions scheduled."""
        rules = self._rules(context)
        return module.with_functions(
            _scheduled(function, rules, context)
            for function in module.tensor_functions()
            if "rule" not in function.attrs and function.attrs.get("kind") != "host" and not placed(function)
        )

    def _rules(self, context: PassContext) -> list[ScheduleRule]:
        for name in self.rules:
            if name not in context.rules:
                fail("TND-C004", f"unknown schedule rule '{name}'", help=suggest(name, context.rules))
        chosen = [rule for name, rule in context.rules.items() if not self.rules or name in self.rules]
        return sorted(chosen, key=lambda rule: (-rule.priority, rule.name))


def _scheduled(function: TensorFunction, rules: Sequence[ScheduleRule], context: PassContext) -> TensorFunction:
    reasons: list[str] = []
    for rule in rules:
        choices = RecordedChoices(context.target, context.intrinsics, families=context.families)
        result = rule.apply(function, choices)
        if isinstance(result, Miss):
            reasons.append(f"{rule.name}: {result.reason}")
            continue
        return replace(result, attrs=result.attrs.with_(rule=rule.name, choices=Attrs(choices.taken)))
    return fail(
        "TND-B003",
        f"no schedule rule takes '{function.name}'",
        notes=reasons or ["no schedule rule is registered"],
        help="install a plugin with rules for this target, or give the function a schedule of its own",
    )
