"""The table of rules and the verifier that applies it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice

from tondo.diagnostics import Diagnostic, TondoError
from tondo.ir import Function, IRModule, TensorFunction
from tondo.passes.verify.findings import Finding
from tondo.passes.verify.graph import GRAPH_RULES
from tondo.passes.verify.tensor import TENSOR_RULES

_MAX_PER_FUNCTION = 20

STAGES = ("graph", "defined", "lowered")
"""Properties of modules that can be verified; every one includes the rules of all stages."""


def verify(module: IRModule, stage: str | None = None) -> list[Diagnostic]:
    """Return what is wrong with ``module``: TND-B001 diagnostics, none if it is well-formed.

    Args:
        module: any module.
        stage: also apply the rules of this stage: ``graph`` (none of its own), ``defined`` (no operator calls),
            ``lowered`` (no blocks, no vectorized loops).
    """
    result: list[Diagnostic] = []
    for function in module.functions.values():
        for finding in islice(_findings(module, function, stage), _MAX_PER_FUNCTION):
            result.append(Diagnostic("TND-B001", f"{function.name}: {finding.message}", finding.span or function.span))
    return result


def _findings(module: IRModule, function: Function, stage: str | None) -> Iterator[Finding]:
    if isinstance(function, TensorFunction):
        for rule in TENSOR_RULES:
            if rule.stage in {None, stage}:
                yield from rule.check(module, function)
        return
    for graph_rule in GRAPH_RULES:
        if graph_rule.stage in {None, stage}:
            yield from graph_rule.check(module, function)


def require(module: IRModule, stage: str | None = None) -> None:
    """Raise what :func:`verify` finds.

    Raises:
        TondoError: with all diagnostics.
    """
    found = verify(module, stage)
    if found:
        raise TondoError(*found)


def verifiers() -> Mapping[str, Callable[[IRModule], None]]:
    """Return the verifier of every stage, by the property that it verifies."""
    return {stage: _require_stage(stage) for stage in STAGES}


def _require_stage(stage: str) -> Callable[[IRModule], None]:
    return lambda module: require(module, stage)
