"""Activation functions that attributes name: those of recurrent layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Site

Activation: TypeAlias = Callable[[Value], Value]

_PLAIN: Final = {
    "relu": "relu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "softsign": "softsign",
    "softplus": "softplus",
}
# Operator and its attributes for alpha and beta; with their values where the node gives none.
_SCALED: Final[dict[str, tuple[str, tuple[tuple[str, float], ...]]]] = {
    "leakyrelu": ("leaky_relu", (("alpha", 0.01),)),
    "thresholdedrelu": ("thresholded_relu", (("alpha", 1.0),)),
    "elu": ("elu", (("alpha", 1.0),)),
    "hardsigmoid": ("hard_sigmoid", (("alpha", 0.2), ("beta", 0.5))),
    "affine": ("", (("alpha", 1.0), ("beta", 0.0))),
    "scaledtanh": ("tanh", (("alpha", 1.0), ("beta", 1.0))),
}


def activations(site: Site, names: Sequence[str]) -> list[Activation]:
    """Return the functions called ``names`` (in any case); the node's lists of alphas and betas go to them in order."""
    given = {
        "alpha": iter(site.attributes.numbers("activation_alpha") or ()),
        "beta": iter(site.attributes.numbers("activation_beta") or ()),
    }
    return [_activation(site, name, given) for name in names]


def _activation(site: Site, name: str, given: dict[str, Iterator[float]]) -> Activation:
    key = name.lower()
    if key in _PLAIN:
        return lambda x: site.call(_PLAIN[key], x)
    if key not in _SCALED:
        site.invalid(f"the activation '{name}' is unknown")
    op, params = _SCALED[key]
    values = {which: next(given[which], default) for which, default in params}

    def apply(x: Value) -> Value:
        if key == "affine":
            return _plus(site, _times(site, x, values["alpha"]), values["beta"])
        if key == "scaledtanh":
            return _times(site, site.call(op, _times(site, x, values["beta"])), values["alpha"])
        return site.call(op, x, **values)

    return apply


def _times(site: Site, x: Value, factor: float) -> Value:
    return x if factor == 1.0 else site.call("mul", x, site.scalar(factor, x.dtype))


def _plus(site: Site, x: Value, term: float) -> Value:
    return x if term == 0.0 else site.call("add", x, site.scalar(term, x.dtype))
