"""Elementwise operators of several inputs. Before operator set 7 broadcasting was an attribute with an axis."""

from __future__ import annotations

from typing import Final

from tondo_onnx.build.values import Value
from tondo_onnx.nodes.agreement import broadcastable
from tondo_onnx.nodes.site import Converter, Site, Versions, since


def aligned(site: Site) -> tuple[Value, Value]:
    """Return both operands of an old operator, the second shaped so that numpy broadcasting does what ``axis`` says."""
    a, b = site.arg(0), site.arg(1)
    if not site.attributes.flag("broadcast") or "axis" not in site.attributes:
        return a, b
    axis = site.axis(site.attributes.integer("axis"), a.rank + 1)
    trailing = a.rank - axis - b.rank
    if trailing < 0:
        site.invalid(f"the second operand of rank {b.rank} does not fit at axis {axis} of rank {a.rank}")
    return a, site.reshape(b, (*b.dims, *[1] * trailing))


def _binary(op: str) -> Versions:
    def old(site: Site) -> Value:
        return _call(site, op, *aligned(site))

    return since(1, old, 7, _same(op))


def _call(site: Site, op: str, *args: Value) -> Value:
    return site.call(op, *broadcastable(site, *args))


def _same(op: str) -> Converter:
    def convert(site: Site) -> Value:
        return _call(site, op, *site.args)

    return convert


def _variadic(op: str) -> Converter:
    def convert(site: Site) -> Value:
        return site.arg(0) if len(site.inputs) == 1 else _call(site, op, *site.args)

    return convert


def _power(site: Site, a: Value, b: Value) -> Value:
    exponent = b.numbers
    if exponent is not None and exponent.size == 1 and b.rank <= a.rank:
        number = exponent.reshape(-1)[0].item()
        if a.dtype.is_float or (isinstance(number, int) and number >= 0):
            return site.call("pow_scalar", a, exponent=number)
    return _call(site, "pow", a, b)


def _pow_old(site: Site) -> Value:
    return _power(site, *aligned(site))


def _pow(site: Site) -> Value:
    return _power(site, site.arg(0), site.arg(1))


def _mod(site: Site) -> Value:
    return site.call("mod", *broadcastable(site, *site.args), fmod=site.attributes.flag("fmod"))


def _bit_shift(site: Site) -> Value:
    direction = site.attributes.text("direction")
    if direction not in {"LEFT", "RIGHT"}:
        site.invalid(f"direction is '{direction}'")
    return _call(site, "shift_left" if direction == "LEFT" else "shift_right", *site.args)


def _prelu(site: Site) -> Value:
    """Convert PRelu; before operator set 7 a slope of one dimension belongs to the channels."""
    x, slope = site.arg(0), site.arg(1)
    if site.version < 7 and slope.rank == 1 and x.rank > 1:
        slope = site.reshape(slope, (*slope.dims, *[1] * (x.rank - 2)))
    return _call(site, "prelu", x, slope)


_BINARY: Final = {
    "Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "And": "logical_and", "Or": "logical_or",
    "Xor": "logical_xor", "Equal": "equal", "Greater": "greater", "Less": "less",
}  # fmt: skip
_SAME: Final = {
    "GreaterOrEqual": "greater_equal", "LessOrEqual": "less_equal", "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or", "BitwiseXor": "bitwise_xor", "Where": "where",
}  # fmt: skip

CONVERTERS: Final[dict[str, Versions]] = {
    **{name: _binary(op) for name, op in _BINARY.items()},
    **{name: since(_same(op)) for name, op in _SAME.items()},
    **{name: since(_variadic(name.lower())) for name in ("Min", "Max", "Sum", "Mean")},
    "Pow": since(1, _pow_old, 7, _pow),
    "Mod": since(_mod),
    "BitShift": since(_bit_shift),
    "PRelu": since(_prelu),
}
