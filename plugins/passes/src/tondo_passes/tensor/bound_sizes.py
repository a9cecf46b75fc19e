"""``tensor.bound_sizes``: every kernel learns which sizes its dimensions have in the calls of this module.

Before::

    def sum(n, x: Buffer[(n, m)], y: Buffer[(m,)])       # dimensions: {n: at least 0, m: at most 512}

After: the same with the attribute ``bounds = {n: (0, None), m: (1, 512)}``, on which schedules and later passes rely.
Dimensions with the usual bounds, 1 or more, are not named. A call whose results have no elements is skipped (see
:mod:`tondo_passes.host.body`), so a dimension without which a kernel has no results is at least 1 inside of it. What
calls of the same kernel know is joined. Kernels that nothing calls are left alone. Refuses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from tondo.arith import BOUNDS, USUAL, Analyzer, Interval, bounds_attribute, dimension_bounds
from tondo.ir import CallDps, Const, IRModule, TensorFunction, Var, substitute, walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tondo.ir import Buffer, GraphFunction
    from tondo.passes import PassContext


@dataclass(frozen=True)
class BoundSizes:
    """Write down the bounds of the scalars of every kernel that differ from the usual ones."""

    name: ClassVar[str] = "tensor.bound_sizes"
    requires: ClassVar[frozenset[str]] = frozenset({"defined"})
    ensures: ClassVar[frozenset[str]] = frozenset()

    def run(self, module: IRModule, context: PassContext) -> IRModule:
        """Return ``module`` with the attribute ``bounds`` on its tensor functions."""
        dims = dimension_bounds(module, context.dimensions)
        if all(limits == USUAL for limits in dims.values()):
            return module
        found: dict[str, list[Interval]] = {}
        for graph in module.graph_functions():
            _join(found, graph, dims)
        return module.with_functions(
            _bounded(function, dict(zip(function.scalars, found[function.name], strict=True)))
            for function in module.tensor_functions()
            if function.name in found and BOUNDS not in function.attrs
        )


def _join(found: dict[str, list[Interval]], graph: GraphFunction, dims: Mapping[str, Interval]) -> None:
    """Widen what is ``found`` of the scalars of each kernel by what its calls in ``graph`` pass."""
    known = Analyzer({var: dims.get(var.name, USUAL) for var in _variables(graph)})
    for call in walk(graph):
        if isinstance(call, CallDps):
            passed = [known.bounds(value) for value in call.scalars]
            before = found.get(call.function)
            found[call.function] = (
                passed if before is None else [a.join(b) for a, b in zip(before, passed, strict=True)]
            )


def _variables(graph: GraphFunction) -> list[Var]:
    return sorted({item for item in walk(graph) if isinstance(item, Var)}, key=lambda var: var.name)


def _bounded(function: TensorFunction, passed: Mapping[Var, Interval]) -> TensorFunction:
    sizes = {var: Interval(max(limits.low or 0, 0), limits.high) for var, limits in passed.items()}
    results = function.buffers[len(function.buffers) - function.outputs :]
    for var in [var for var, limits in sizes.items() if limits.low == 0]:
        if all(_is_empty_without(result, var, sizes) for result in results):
            sizes[var] = Interval(1, sizes[var].high)
    stated = {var.name: limits for var, limits in sizes.items() if var.dtype.is_integer and limits != USUAL}
    return replace(function, attrs=function.attrs.with_(**{BOUNDS: bounds_attribute(stated)})) if stated else function


def _is_empty_without(result: Buffer, var: Var, sizes: Mapping[Var, Interval]) -> bool:
    """Whether ``result`` has no elements if ``var`` is 0."""
    known = Analyzer({other: limits for other, limits in sizes.items() if other != var})
    highs = [known.bounds(substitute(dim, {var: Const(0)})).high for dim in result.shape]
    return any(high is not None and high <= 0 for high in highs)
