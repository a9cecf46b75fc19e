"""Uses of operators that nobody wrote down: found by asking their type rules.

An operator that takes one to three arguments of one shape and element type, or a condition before them, without
attributes, is used like that. So operators of other packages are covered as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tondo.diagnostics import TondoError
from tondo.ir import Attrs, OpCall, Operator, TensorType
from tondo_conformance.graphs import tensor_type
from tondo_conformance.operators.recipe import PLAIN, Arg, Recipe, args
from tondo_conformance.values import ANY

_CUBE = ("b", "n", "k")
_FORMS = (
    args(_CUBE),
    args(_CUBE, _CUBE),
    args(_CUBE, _CUBE, _CUBE),
    (Arg(_CUBE, "bool"), *args(_CUBE, _CUBE)),
)


def probed(operator: Operator) -> Iterator[Recipe]:
    """Yield the use with the fewest arguments that ``operator`` takes."""
    for form in _FORMS:
        dtypes = tuple(name for name in ANY if accepts(operator, form, {}, name))
        if dtypes:
            yield Recipe(operator.name, form, {}, "", dtypes, scalar=_takes_scalars(operator, form, dtypes[0]))
            return


def accepts(operator: Operator, arguments: tuple[Arg, ...], attrs: dict[str, object], dtype: str) -> bool:
    """Return whether the type rule of ``operator`` takes ``arguments`` at the plain sizes."""
    types = tuple(
        tensor_type([PLAIN[extent] if isinstance(extent, str) else extent for extent in arg.shape], arg.dtype or dtype)
        for arg in arguments
    )
    return takes(operator, types, attrs)


def takes(operator: Operator, types: tuple[TensorType, ...], attrs: Mapping[str, object]) -> bool:
    """Return whether the type rule of ``operator`` takes arguments of ``types``."""
    try:
        operator.infer(OpCall(operator.name, types, Attrs(attrs)))
    except TondoError:
        return False
    except Exception:  # noqa: BLE001  a rule that breaks on what it does not expect does not take it
        return False
    return True


def _takes_scalars(operator: Operator, form: tuple[Arg, ...], dtype: str) -> bool:
    return accepts(operator, tuple(Arg((), arg.dtype, arg.values) for arg in form), {}, dtype)
