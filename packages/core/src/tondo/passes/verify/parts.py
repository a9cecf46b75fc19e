"""Rules of joins: every argument has one place, and whoever uses it knows the strides of that place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tondo.arith import Analyzer
from tondo.ir import (
    Binding,
    Buffer,
    CallDps,
    Expr,
    GraphFunction,
    GraphRegion,
    GraphVar,
    IRModule,
    Join,
    Part,
    TensorFunction,
    Var,
    parts_of,
    substitute,
    walk,
)
from tondo.passes.verify.findings import Finding


def check_parts(module: IRModule, function: GraphFunction) -> Iterator[Finding]:
    """Arguments of joins are computed, placed once, and used by functions that know their strides."""
    inside = (item for binding in function.bindings for item in walk(binding) if isinstance(item, GraphRegion))
    for region in inside:
        if any(isinstance(binding.operation, Join) for binding in region.bindings):
            yield Finding("a region has a join: what it joins would lie in memory of another function")
    placed = Counter(
        arg for binding in function.bindings if isinstance(binding.operation, Join) for arg in binding.operation.args
    )
    if not placed:
        return
    made = {var: binding for binding in function.bindings for var in binding.vars}
    for arg, times in placed.items():
        if times > 1:
            yield Finding(f"'{arg.name}' is joined {times} times: it cannot be in two places")
        if arg in function.results or arg not in made:
            yield Finding(f"'{arg.name}' is joined, but its memory is given by the caller")
        elif not isinstance(made[arg].operation, (CallDps, Join)):
            yield Finding(f"'{arg.name}' is joined, but not computed by a tensor function")
    parts = parts_of(function.bindings)
    for binding in function.bindings:
        yield from _uses(module, binding, parts)


def _uses(module: IRModule, binding: Binding, parts: Mapping[GraphVar, Part]) -> Iterator[Finding]:
    call = binding.operation
    if not isinstance(call, CallDps):
        used = () if isinstance(call, Join) else (item for item in walk(call) if isinstance(item, GraphVar))
        for var in dict.fromkeys(item for item in used if item in parts):
            yield Finding(f"'{var.name}' is joined, but used by what needs it in one piece", binding.span)
        return
    callee = module.functions.get(call.function)
    if not isinstance(callee, TensorFunction):
        return
    scalars: dict[Var, Expr] = dict(zip(callee.scalars, call.scalars, strict=False))
    for buffer, atom in zip(callee.buffers, (*call.args, *binding.vars), strict=False):
        part = parts.get(atom) if isinstance(atom, GraphVar) else None
        if not _agree(buffer, part, scalars):
            yield Finding(f"'{buffer.name}' of '{call.function}' and '{atom.name}' differ in strides", binding.span)


def _agree(buffer: Buffer, part: Part | None, scalars: Mapping[Var, Expr]) -> bool:
    if buffer.strides is None:
        return part is None or buffer.rank == 1 or part.strides == buffer.row_major_strides()
    if part is None or len(buffer.strides) != len(part.strides):
        return False
    known = Analyzer()
    return all(
        known.simplify(substitute(own, scalars)) == known.simplify(given)
        for own, given in zip(buffer.strides, part.strides, strict=True)
    )
