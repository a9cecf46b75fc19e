"""What a model needs, told before it is compiled: every operator, and how it will run.

generated         a tensor function, for which code is generated
library           an external kernel that a library offers for the tensor function
runtime function  a registered function that is called by name
import            nothing at run time: a constant, a size, a view
unsupported       with the reason
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tondo.diagnostics import TondoError, fail
from tondo.driver.guard import guard
from tondo.driver.plan import Plan
from tondo.ir import Call, OpCall, TensorFunction
from tondo.passes import Library, Offer
from tondo.plugin import OperatorUse, SourceSurvey

Route = Literal["generated", "library", "runtime function", "import", "unsupported"]


@dataclass(frozen=True, slots=True)
class Checked:
    """One operator of a model, in one version and with one combination of types.

    Attributes:
        use: the operator and its nodes.
        route: how it will run.
        detail: the reason, the library's kernels, the functions, or the operators of the graph that it becomes.
    """

    use: OperatorUse
    route: Route
    detail: str


def check(plan: Plan) -> list[Checked]:
    """Return how every operator of the source of ``plan`` will run on its target.

    Raises:
        TondoError: TND-M... for a source that is no valid model, TND-U005 for one whose frontend has no survey.
    """
    frontend = plan.source.frontend
    if not isinstance(frontend, SourceSurvey):
        name = "a module" if frontend is None else f"the frontend '{frontend.name}'"
        fail("TND-U005", f"{name} cannot list its operators", help="compile it; errors name what is not supported")
    with guard("the survey of the model"):
        uses = frontend.survey(plan.source.value, plan.source.options)
    libraries = {name: entry for name, entry in plan.extensions.libraries.items() if entry.supports(plan.target)}
    return [_checked(use, plan, libraries) for use in uses]


def _checked(use: OperatorUse, plan: Plan, libraries: Mapping[str, Library]) -> Checked:
    if use.reason is not None:
        return Checked(use, "unsupported", use.reason)
    kernels: dict[str, None] = {}
    for call in use.calls:
        found = _defined(call, plan)
        if isinstance(found, str):
            return Checked(use, "unsupported", found)
        for function, (name, library) in itertools.product(found, libraries.items()):
            with guard(f"the library '{name}'"):
                offer = library.match(function, plan.target)
            if isinstance(offer, Offer):
                kernels[name if offer.call is None else f"{name}: {offer.call}"] = None
    if use.packed:
        return Checked(use, "runtime function", ", ".join(use.packed))
    if kernels:
        return Checked(use, "library", ", ".join(kernels))
    operators = _names(use.calls)
    return Checked(use, "generated" if operators else "import", operators)


def _names(calls: Sequence[OpCall]) -> str:
    return ", ".join(dict.fromkeys(call.op for call in calls))


def _defined(call: OpCall, plan: Plan) -> list[TensorFunction] | str:
    """Return the tensor functions that an operator call comes to, or why there is none."""
    operator = plan.extensions.operators.get(call.op)
    if operator is None:
        return f"no plugin provides the operator '{call.op}'"
    try:
        with guard(f"the definition of '{call.op}'"):
            if operator.expand is None:
                return [operator.define(call)]
            bindings = operator.expand(call, plan.extensions.operators).bindings
    except TondoError as error:
        return error.diagnostics[0].message
    functions: list[TensorFunction] = []
    for operation in (binding.operation for binding in bindings):
        if isinstance(operation, Call):
            kinds = tuple(arg.tensor for arg in operation.args)
            found = _defined(OpCall(operation.op, kinds, operation.attrs), plan)
            if isinstance(found, str):
                return f"{call.op}: {found}"
            functions.extend(found)
    return functions
