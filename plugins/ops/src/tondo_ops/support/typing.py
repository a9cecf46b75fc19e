"""Checks of argument types, and the start of a definition."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.ir import FLOAT32, Buffer, Compute, Const, DType, Expr, OpCall, TensorType, is_const
from tondo_ops.support.attributes import refuse
from tondo_ops.support.dims import broadcast_shapes, differ, join, text


def count(call: OpCall, low: int, high: int | None = None) -> None:
    """Refuse a call with fewer than ``low`` or more than ``high`` (default: ``low``) arguments."""
    most = low if high is None else high
    if not low <= len(call.args) <= most:
        wanted = str(low) if most == low else f"{low} to {most}"
        refuse(call, f"takes {wanted} arguments, got {len(call.args)}")
    known(call)


def known(call: OpCall) -> None:
    """Refuse arguments of unknown rank."""
    for position, arg in enumerate(call.args):
        if arg.shape is None:
            refuse(call, f"the rank of argument {position} is unknown")


def one_dtype(call: OpCall, args: Sequence[TensorType] | None = None) -> DType:
    """Return the dtype that all ``args`` (default: all arguments) have; refuse a mixture."""
    checked = call.args if args is None else args
    first = checked[0].dtype
    for arg in checked[1:]:
        if arg.dtype != first:
            refuse(call, f"arguments have dtypes {first} and {arg.dtype}")
    return first


def want_float(call: OpCall, value: TensorType) -> None:
    """Refuse an argument whose elements are not real floating-point numbers."""
    if not value.dtype.is_float:
        refuse(call, f"needs a floating-point argument, got {value.dtype}")


def want_integer(call: OpCall, value: TensorType) -> None:
    """Refuse an argument whose elements are not integers."""
    if not value.dtype.is_integer:
        refuse(call, f"needs an integer argument, got {value.dtype}")


def want_numeric(call: OpCall, value: TensorType) -> None:
    """Refuse an argument that is neither integer nor floating-point."""
    if not (value.dtype.is_float or value.dtype.is_integer):
        refuse(call, f"needs a numeric argument, got {value.dtype}")


def want_bool(call: OpCall, value: TensorType) -> None:
    """Refuse an argument that is not bool."""
    if not value.dtype.is_bool:
        refuse(call, f"needs a bool argument, got {value.dtype}")


def want_rank(call: OpCall, value: TensorType, low: int, high: int | None = None) -> None:
    """Refuse an argument whose rank is not in ``low .. high`` (default: exactly ``low``)."""
    most = low if high is None else high
    if not low <= value.rank <= most:
        wanted = str(low) if most == low else f"{low} to {most}"
        refuse(call, f"needs an argument of rank {wanted}, got rank {value.rank}")


def agree(call: OpCall, a: Expr, b: Expr, what: str) -> Expr:
    """Return the dimension that ``a`` and ``b`` both are; refuse if they provably differ."""
    if differ(a, b):
        refuse(call, f"{what}: {text(a)} and {text(b)} differ")
    call.take(a, b)
    return join(a, b)


def broadcast(call: OpCall, shapes: Sequence[Sequence[Expr]] | None = None) -> tuple[Expr, ...]:
    """Return the broadcast of ``shapes`` (default: those of all arguments); refuse if there is none."""
    wanted = [arg.dims for arg in call.args] if shapes is None else shapes
    result = broadcast_shapes(wanted)
    if result is None:
        listing = " and ".join(f"[{', '.join(text(extent) for extent in shape)}]" for shape in wanted)
        refuse(call, f"shapes {listing} cannot be broadcast")
    for shape in wanted:
        _take(call, shape, result)
    return result


def stretched(call: OpCall, shape: Sequence[Expr], wanted: Sequence[Expr]) -> tuple[Expr, ...]:
    """Return the broadcast of ``shape`` with the sizes ``wanted``; one of these that is not known may turn out as 1."""
    result = broadcast_shapes([shape, wanted])
    if result is None:
        refuse(call, "the shape does not broadcast to the wanted sizes")
    for extent, size in zip(reversed(shape), reversed(wanted), strict=False):
        if isinstance(size, Const) and not is_const(size, 1) and not is_const(extent, 1):
            call.take(extent, size)
    return result


def want_elements(call: OpCall, read: Sequence[Expr], result: Sequence[Expr]) -> None:
    """Refuse to find the elements of a result in a tensor that has none along one of the axes ``read``."""
    if any(is_const(extent, 0) for extent in read) and not any(is_const(extent, 0) for extent in result):
        refuse(call, "it reads from an axis without elements")


def broadcast_to(call: OpCall, shape: Sequence[Expr], wanted: Sequence[Expr], what: str) -> None:
    """Refuse ``shape`` if it does not broadcast to ``wanted``."""
    joined = broadcast_shapes([wanted, shape])
    if joined is None or len(joined) != len(wanted) or any(differ(a, b) for a, b in zip(joined, wanted, strict=True)):
        refuse(call, what)
    _take(call, shape, wanted)


def _take(call: OpCall, shape: Sequence[Expr], result: Sequence[Expr]) -> None:
    """Note that the dimensions of ``shape`` which are not 1 are taken to be those of ``result``."""
    for extent, size in zip(reversed(shape), reversed(result), strict=False):
        if not is_const(extent, 1):
            call.take(extent, size)


def start(call: OpCall, *names: str) -> tuple[Compute, list[Buffer]]:
    """Return the builder of the definition of ``call`` and its inputs, called ``names`` (the last name repeats)."""
    builder = Compute(call.op.replace(".", "_"))
    inputs: list[Buffer] = []
    for position, arg in enumerate(call.args):
        name = names[position] if position < len(names) else f"{names[-1]}{position}"
        inputs.append(builder.input(name, arg))
    return builder, inputs


def wide(dtype: DType) -> DType:
    """Return the dtype to compute in: float32 for narrower floats, else ``dtype`` itself."""
    return FLOAT32 if dtype.is_float and dtype.bits < FLOAT32.bits else dtype
