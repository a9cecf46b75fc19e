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
_MAX_REMEMBERED = 2048

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
        yield from _tensor_findings(module, function, stage)
        return
    for rule in GRAPH_RULES:
        if rule.stage in {None, stage}:
            yield from rule.check(module, function)


_well_formed: set[tuple[str | None, TensorFunction]] = set()
"""Tensor functions that keep all rules that concern them alone: most passes leave most functions as they are."""


def _tensor_findings(module: IRModule, function: TensorFunction, stage: str | None) -> Iterator[Finding]:
    known = (stage, function) in _well_formed
    clean = True
    for rule in TENSOR_RULES:
        if rule.stage not in {None, stage} or (known and rule.alone):
            continue
        for finding in rule.check(module, function):
            clean = clean and not rule.alone
            yield finding
    if clean and not known:
        if len(_well_formed) >= _MAX_REMEMBERED:
            _well_formed.clear()
        _well_formed.add((stage, function))


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
