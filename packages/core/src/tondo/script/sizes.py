"""Symbolic sizes in the signature of a function, solved from the types of the arguments of a use.

Signature ``x: (n, 2 * k), w: (k, m)``, arguments ``(b, 64), (32, 10)``: ``n = b, k = 32, m = 10``. A size that is a
name with factors and summands that are known is solved for it; every size is compared with the argument's afterwards.
Refuses (TND-M006) other element types and numbers of dimensions, and sizes that provably differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tondo.arith import Analyzer
from tondo.diagnostics import fail
from tondo.ir import Binary, Const, Expr, OpCall, TensorType, Var, floordiv, sub, substitute, unknown_of, walk
from tondo.script.print_expr import expr_text

_ANALYZER = Analyzer()


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter or a result of a signature."""

    name: str
    type: TensorType


def solved(inputs: Sequence[Declared], use: OpCall) -> dict[Var, Expr]:
    """Return the sizes that the names in the types of ``inputs`` stand for in ``use``.

    Sizes that are taken to be equal without proof are noted in ``use.take``.

    Raises:
        TondoError: TND-M006 if the arguments do not fit.
    """
    if len(use.args) != len(inputs):
        fail("TND-M006", f"'{use.op}' takes {len(inputs)} inputs, {len(use.args)} are given")
    for item, given in zip(inputs, use.args, strict=True):
        _check_kind(item, given, use)
    pairs = [
        (item, mine, theirs)
        for item, given in zip(inputs, use.args, strict=True)
        for mine, theirs in zip(item.type.dims, given.dims, strict=True)
    ]
    values: dict[Var, Expr] = {}
    while found := _next([(mine, theirs) for _, mine, theirs in pairs], values):
        values[found[0]] = _ANALYZER.simplify(found[1])
    for item, mine, theirs in pairs:
        _check_size(item, mine, theirs, values, use)
    return values


def undetermined(inputs: Sequence[Declared], results: Sequence[Declared]) -> list[tuple[str, str]]:
    """Return ``(name of the parameter or result, size)`` for each named size that no input can give."""
    known: frozenset[Var] = frozenset()
    while True:  # a size such as n * k gives k where n is known
        found = [_linear(dim, known) for item in inputs for dim in item.type.dims]
        more = {entry[0] for entry in found if entry is not None}
        if not more:
            break
        known |= more
    missing: dict[tuple[str, str], None] = {}
    for item in (*inputs, *results):
        for name in sorted(var.name for var in _names(item.type) if var not in known):
            missing[item.name, name] = None
    return list(missing)


def _names(kind: TensorType) -> set[Var]:
    return {item for dim in kind.dims for item in walk(dim) if isinstance(item, Var)}


def _next(pairs: Sequence[tuple[Expr, Expr]], values: Mapping[Var, Expr]) -> tuple[Var, Expr] | None:
    """Return a name that is not solved yet with its value, from the simplest size that gives one."""
    plain = [(mine, theirs) for mine, theirs in pairs if unknown_of(mine) is not None]
    for mine, theirs in (*plain, *pairs):
        found = _linear(mine, frozenset(values))
        if found is None:
            continue
        var, factor, summand = found
        rest = sub(theirs, substitute(summand, values))
        by = _ANALYZER.simplify(substitute(factor, values))
        return var, rest if by == Const(1) else floordiv(rest, by)
    return None


def _linear(dim: Expr, known: frozenset[Var]) -> tuple[Var, Expr, Expr] | None:
    """Return ``(var, factor, summand)`` of a size ``var * factor + summand`` with one name that is not known."""
    match dim:
        case Var():
            return None if dim in known else (dim, Const(1), Const(0))
        case Binary(op="add" | "sub" | "mul" as op, a=a, b=b):
            free_a, free_b = _free(a, known), _free(b, known)
            if free_a and free_b:
                return None
            inner = _linear(a if free_a else b, known)
            if inner is None or (op == "sub" and free_b):
                return None
            var, factor, summand = inner
            other = b if free_a else a
            if op == "mul":
                return var, Binary("mul", factor, other), Binary("mul", summand, other)
            return var, factor, Binary(op, summand, other)
        case _:
            return None


def _free(expr: Expr, known: frozenset[Var]) -> bool:
    return any(isinstance(item, Var) and item not in known for item in walk(expr))


def _check_kind(item: Declared, given: TensorType, use: OpCall) -> None:
    if given.dtype != item.type.dtype:
        fail("TND-M006", f"'{use.op}': input '{item.name}' is {given.dtype}, not {item.type.dtype}")
    if given.shape is None or given.rank != item.type.rank:
        rank = "an unknown number of" if given.shape is None else given.rank
        fail("TND-M006", f"'{use.op}': input '{item.name}' has {rank} dimensions, not {item.type.rank}")


def _check_size(item: Declared, mine: Expr, theirs: Expr, values: Mapping[Var, Expr], use: OpCall) -> None:
    wanted, given = _ANALYZER.simplify(substitute(mine, values)), _ANALYZER.simplify(theirs)
    if wanted == given:
        return
    if isinstance(_ANALYZER.simplify(sub(wanted, given)), Const):
        size = f"{expr_text(mine)} = {expr_text(wanted)}" if mine != wanted else expr_text(wanted)
        fail("TND-M006", f"'{use.op}': a size of input '{item.name}' is {expr_text(given)}, not {size}")
    use.take(wanted, given)
