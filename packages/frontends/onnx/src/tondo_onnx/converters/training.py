"""Steps of optimisers (domain ``ai.onnx.preview.training``): Momentum, Adam, Adagrad.

Inputs are the rate, the number of the update, then groups of tensors: all weights, all gradients, all states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Converter, Site, Versions, since

_HEAD: Final = 2
"""Inputs before the groups: rate and number of the update."""


@dataclass(frozen=True, slots=True)
class _Step:
    """Arithmetic on tensors of one weight's dtype, and the attributes of the node."""

    site: Site
    x: Value

    def add(self, a: Value, b: Value) -> Value:
        """Return ``a + b``."""
        return self.site.call("add", a, b)

    def sub(self, a: Value, b: Value) -> Value:
        """Return ``a - b``."""
        return self.site.call("sub", a, b)

    def mul(self, a: Value, b: Value) -> Value:
        """Return ``a * b``."""
        return self.site.call("mul", a, b)

    def div(self, a: Value, b: Value) -> Value:
        """Return ``a / b``."""
        return self.site.call("div", a, b)

    def number(self, value: float) -> Value:
        """Return a constant."""
        return self.site.scalar(value, self.x.dtype)

    def attribute(self, name: str, default: float | None = None) -> Value:
        """Return an attribute as a constant."""
        return self.number(self.site.attributes.number(name, default))

    @property
    def rate(self) -> Value:
        """The learning rate."""
        return self._scalar(0)

    @property
    def turn(self) -> Value:
        """The number of the update."""
        return self._scalar(1)

    def _scalar(self, position: int) -> Value:
        return self.site.reshape(self.site.cast(self.site.arg(position), self.x.dtype), ())

    def later(self, then: Value, otherwise: Value) -> Value:
        """Return ``then`` but in the first update."""
        return self.site.call("where", self.site.call("greater", self.turn, self.number(0.0)), then, otherwise)

    def gradient(self, gradient: Value) -> Value:
        """Return the gradient with that of the penalty on large weights."""
        return self.add(self.mul(self.attribute("norm_coefficient", 0.0), self.x), gradient)


def _momentum(step: _Step, gradient: Value, speed: Value) -> tuple[Value, ...]:
    total = step.gradient(gradient)
    beta = step.later(step.attribute("beta"), step.number(1.0))
    moved = step.add(step.mul(step.attribute("alpha"), speed), step.mul(beta, total))
    nesterov = step.site.attributes.text("mode") == "nesterov"
    way = step.add(total, step.mul(step.attribute("alpha"), moved)) if nesterov else moved
    return step.sub(step.x, step.mul(step.rate, way)), moved


def _adagrad(step: _Step, gradient: Value, squares: Value) -> tuple[Value, ...]:
    total = step.gradient(gradient)
    decay = step.mul(step.turn, step.attribute("decay_factor", 0.0))
    rate = step.div(step.rate, step.add(step.number(1.0), decay))
    summed = step.add(squares, step.mul(total, total))
    scale = step.add(step.site.call("sqrt", summed), step.attribute("epsilon", 1e-6))
    return step.sub(step.x, step.div(step.mul(rate, total), scale)), summed


def _adam(step: _Step, gradient: Value, mean: Value, square: Value) -> tuple[Value, ...]:
    one = step.number(1.0)
    alpha, beta = step.attribute("alpha", 0.9), step.attribute("beta", 0.999)
    total = step.gradient(gradient)
    first = step.add(step.mul(alpha, mean), step.mul(step.sub(one, alpha), total))
    second = step.add(step.mul(beta, square), step.mul(step.sub(one, beta), step.mul(total, total)))
    scale = step.add(step.site.call("sqrt", second), step.attribute("epsilon", 1e-6))
    above = step.site.call("sqrt", step.sub(one, step.site.call("pow", beta, step.turn)))
    below = step.sub(one, step.site.call("pow", alpha, step.turn))
    rate = step.later(step.div(step.mul(step.rate, above), below), step.rate)
    moved = step.sub(step.x, step.div(step.mul(rate, first), scale))
    return step.mul(step.sub(one, step.attribute("norm_coefficient_post", 0.0)), moved), first, second


def _optimizer(update: Callable[..., tuple[Value, ...]], states: int) -> Converter:
    """Return the converter of an optimiser with ``states`` tensors per weight."""

    def convert(site: Site) -> Sequence[Value]:
        groups = states + 2
        count, rest = divmod(len(site.inputs) - _HEAD, groups)
        if rest or count < 1:
            site.invalid(f"the number of tensors is no multiple of {groups}")
        made: list[tuple[Value, ...]] = []
        for weight in range(count):
            x, *others = (site.arg(_HEAD + group * count + weight) for group in range(groups))
            made.append(update(_Step(site, x), *others))
        return [entry[position] for position in range(states + 1) for entry in made]

    return convert


CONVERTERS: Final[dict[str, Versions]] = {
    "Momentum": since(_optimizer(_momentum, 1)),
    "Adagrad": since(_optimizer(_adagrad, 1)),
    "Adam": since(_optimizer(_adam, 2)),
}
