"""What several passes ask about calls and values of a graph function."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tondo.ir import Expr, GraphFunction, GraphVar, Operation, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tondo.ir import Binding, CallDps, Node, TensorFunction


def scalars_of(made: TensorFunction, original: TensorFunction, call: CallDps) -> tuple[Expr, ...]:
    """Return the scalar arguments to call ``made`` with in place of ``call``.

    Args:
        made: a rewritten ``original``: its scalar parameters are some of those of ``original``, under the same names.
        original: the function that ``call`` calls.
        call: its scalar arguments are expressions of the caller, whose names need not be those of the callee.
    """
    given = dict(zip(original.scalars, call.scalars, strict=True))
    return tuple(given[var] for var in made.scalars)


def uses_of(function: GraphFunction) -> Counter[GraphVar]:
    """Count the uses of every value, several by one binding as one; a result of the function counts twice.

    So a value that is used once has one consumer, and the memory of the value is nobody else's.
    """
    uses: Counter[GraphVar] = Counter()
    for binding in function.bindings:
        uses.update({item for item in walk(binding.operation) if isinstance(item, GraphVar)})
    for atom in function.results:
        if isinstance(atom, GraphVar):
            uses[atom] += 2
    return uses


def value_names(function: GraphFunction) -> Iterator[str]:
    """Yield the names of all values of ``function``: parameters, results of bindings, those of regions inside."""
    for item in walk(function):
        if isinstance(item, GraphVar):
            yield item.name


def as_operation(node: Node) -> Operation:
    """Return a rewritten operation as what it is."""
    assert isinstance(node, Operation)
    return node


def with_operation(binding: Binding, operation: Operation) -> Binding:
    """Return ``binding`` with another operation; the same object if it is the same one."""
    if operation is binding.operation:
        return binding
    return type(binding)(binding.vars, operation, binding.source, binding.span)
