"""Elementwise operators of one input."""

from __future__ import annotations

from typing import Final

import numpy as np

from tondo.diagnostics import fail
from tondo.ir import BOOL, FLOAT32, DType, dtype
from tondo_onnx.build.values import Value
from tondo_onnx.converters.random import dropped
from tondo_onnx.nodes.site import Converter, Site, Versions, since
from tondo_onnx.read.types import dtype_of

_SELU_ALPHA: Final = 1.67326319217681884765625
_EXPONENT: Final = "float8_e8m0fnu"
_SELU_GAMMA: Final = 1.05070102214813232421875


def same(op: str) -> Converter:
    """Return the converter to operator ``op`` without attributes."""

    def convert(site: Site) -> Value:
        return site.call(op, *site.args)

    return convert


def scaled(op: str, **defaults: float) -> Converter:
    """Return the converter to operator ``op`` with float attributes of the same names."""

    def convert(site: Site) -> Value:
        attrs = {name: site.attributes.number(name, value) for name, value in defaults.items()}
        return site.call(op, site.arg(0), **attrs)

    return convert


def identity(site: Site) -> Value:
    """Convert Identity: the same value."""
    return site.arg(0)


def _gelu(site: Site) -> Value:
    return site.call("gelu", site.arg(0), approximate=site.attributes.text("approximate", "none"))


def _is_inf(site: Site) -> Value:
    flags = site.attributes
    return site.call(
        "isinf", site.arg(0), positive=flags.flag("detect_positive", True), negative=flags.flag("detect_negative", True)
    )


def _is_nan(site: Site) -> Value:
    return site.call("isnan", site.arg(0))


def _clip_attributes(site: Site) -> Value:
    attributes = site.attributes
    return _clip(site, *[attributes.number(name) if name in attributes else None for name in ("min", "max")])


def _clip(site: Site, low: float | None, high: float | None) -> Value:
    x = site.arg(0)
    if low is None and high is None:
        return x
    return site.call("clip", x, low=low, high=high)


def _clip_inputs(site: Site) -> Value:
    x, low, high = site.arg(0), site.optional(1), site.optional(2)
    if all(bound is None or (bound.numbers is not None and bound.numbers.size == 1) for bound in (low, high)):
        return _clip(
            site, *[None if bound is None else site.number(position) for position, bound in ((1, low), (2, high))]
        )
    if low is not None and high is not None:
        return site.call("clip_between", x, low, high)
    return site.call("max", x, low) if low is not None else site.call("min", x, site.arg(2))


def _cast_text(site: Site) -> Value:
    name = site.attributes.text("to").lower()
    known = {"float": "float32", "double": "float64"}.get(name, name)
    try:
        return site.cast(site.arg(0), dtype(known))
    except ValueError:
        return fail("TND-M005", f"{site.label} casts to {name}, which has no counterpart")


def _cast(site: Site) -> Value:
    target = dtype_of(site.attributes.integer("to"), f"the result of {site.label}")
    return _cast_to(site, site.arg(0), target)


def _cast_like(site: Site) -> Value:
    return _cast_to(site, site.arg(0), site.arg(1).dtype)


def _cast_to(site: Site, x: Value, target: DType) -> Value:
    if target.kind == _EXPONENT:
        rounding = site.attributes.text("round_mode", "up")
        if rounding not in {"up", "down", "nearest"}:
            site.invalid(f"round_mode is '{rounding}'")
        wide = x if x.dtype.is_float or x.dtype.is_integer else site.cast(x, FLOAT32)
        return site.call("cast_exponent", wide, rounding=rounding, saturate=site.attributes.flag("saturate", True))
    return saturated(site, x, target)


def saturated(site: Site, x: Value, target: DType) -> Value:
    """Return ``x`` as ``target``; the float8 types saturate in ONNX unless the node says otherwise."""
    if (
        not target.kind.startswith("float8")
        or x.dtype.kind.startswith("float8")
        or not site.attributes.flag("saturate", True)
    ):
        return site.cast(x, target)
    highest = float(_finite_max(target))
    bounded = site.call("clip", x, low=-highest, high=highest) if x.dtype.is_float else x
    return site.cast(bounded, target)


def _finite_max(target: DType) -> float:
    bits = np.arange(256, dtype=np.uint8).view(target.numpy).astype(np.float32)
    return float(np.max(bits[np.isfinite(bits)]))


def _bit_cast(site: Site) -> Value:
    target = dtype_of(site.attributes.integer("to"), f"the result of {site.label}")
    return site.call("reinterpret", site.arg(0), dtype=target)


def _dropout_mask_kind(site: Site) -> DType:
    return BOOL if site.version >= 10 else site.arg(0).dtype


def _dropout(site: Site) -> tuple[Value, ...]:
    """Convert Dropout: the input itself, unless the model says that it trains, or finds out in the call."""
    training = site.optional(2)
    if training is not None and (training.numbers is None or bool(training.numbers.reshape(-1)[0])):
        result, kept = dropped(site, training)
        return (result, site.cast(kept, _dropout_mask_kind(site))) if site.wants(1) else (result,)
    x = site.arg(0)
    if not site.wants(1):
        return (x,)
    return x, site.fill(x.dims, True, _dropout_mask_kind(site))


def _swish(site: Site) -> Value:
    return site.call("silu", site.arg(0), alpha=site.attributes.number("alpha", 1.0))


_SAME: Final = {
    "Abs": "abs", "Acos": "acos", "Acosh": "acosh", "Asin": "asin", "Asinh": "asinh", "Atan": "atan", "Atanh": "atanh",
    "BitwiseNot": "bitwise_not", "Ceil": "ceil", "Cos": "cos", "Cosh": "cosh", "Erf": "erf", "Exp": "exp",
    "Floor": "floor", "HardSwish": "hard_swish", "Log": "log", "Mish": "mish", "Neg": "neg", "Not": "logical_not",
    "Reciprocal": "reciprocal", "Relu": "relu", "Round": "round", "Sigmoid": "sigmoid", "Sign": "sign", "Sin": "sin",
    "Sinh": "sinh", "Softplus": "softplus", "Softsign": "softsign", "Sqrt": "sqrt", "Tan": "tan", "Tanh": "tanh",
}  # fmt: skip

CONVERTERS: Final[dict[str, Versions]] = {
    **{name: since(same(op)) for name, op in _SAME.items()},
    "Identity": since(identity),
    "Elu": since(scaled("elu", alpha=1.0)),
    "Celu": since(scaled("celu", alpha=1.0)),
    "Selu": since(
        1, scaled("selu", alpha=1.6732, gamma=1.0507), 6, scaled("selu", alpha=_SELU_ALPHA, gamma=_SELU_GAMMA)
    ),
    "LeakyRelu": since(scaled("leaky_relu", alpha=0.01)),
    "ThresholdedRelu": since(scaled("thresholded_relu", alpha=1.0)),
    "HardSigmoid": since(scaled("hard_sigmoid", alpha=0.2, beta=0.5)),
    "Shrink": since(scaled("shrink", bias=0.0, lambd=0.5)),
    "Gelu": since(_gelu),
    "Swish": since(_swish),
    "IsInf": since(_is_inf),
    "IsNaN": since(_is_nan),
    "Clip": since(1, _clip_attributes, 11, _clip_inputs),
    "Cast": since(1, _cast_text, 6, _cast),
    "CastLike": since(_cast_like),
    "BitCast": since(_bit_cast),
    "Dropout": since(_dropout),
}
