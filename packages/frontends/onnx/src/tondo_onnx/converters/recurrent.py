"""Recurrent layers: RNN, GRU, LSTM with all of their options, as loops over the time steps.

What does not depend on the state, the products of the inputs with their weights, is one matrix product over all time
steps before the loop. An entry of the batch that is shorter than the others keeps its state after its last step, and
its further outputs are 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tondo.ir import INT64, Const, Expr
from tondo_onnx.build.values import Value
from tondo_onnx.converters.control import row
from tondo_onnx.nodes.activations import Activation, activations
from tondo_onnx.nodes.loop import Trip, loop
from tondo_onnx.nodes.site import Site, Versions, since

_DIRECTIONS: Final = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@dataclass(frozen=True, slots=True)
class _Layer:
    """One direction of a layer.

    Attributes:
        site: the node.
        recurrent: weights of the state, ``[hidden, gates * hidden]``.
        bias: biases of the inputs and of the state, ``[gates * hidden]`` each; None without.
        peepholes: weights of the cell for the gates i, o, f (LSTM), ``[hidden]`` each.
        functions: the activations.
        hidden: size of the state.
    """

    site: Site
    recurrent: Value
    bias: tuple[Value, Value] | None
    peepholes: tuple[Value, Value, Value] | None
    functions: Sequence[Activation]
    hidden: Expr

    def limited(self, x: Value) -> Value:
        """Return the argument of an activation, cut to the node's ``clip``."""
        limit = self.site.attributes.number("clip", 0.0)
        return self.site.call("clip", x, low=-limit, high=limit) if limit > 0 else x

    def gate(self, gates: Value, number: int, axis: int = 1) -> Value:
        """Return one of the gates that lie side by side."""
        begin = self.site.dims.simplify(self.hidden * number)
        return _part(self.site, gates, axis, begin, self.hidden)


Cell = Callable[[_Layer, Value, Sequence[Value]], "list[Value]"]
"""Takes a layer, the products of the inputs of one time step and the state; returns the new state, the output first."""


def _part(site: Site, value: Value, axis: int, begin: Expr, size: Expr) -> Value:
    return site.call("slice", value, axes=(axis,), starts=(_plain(begin),), sizes=(_plain(size),), steps=(1,))


def _plain(value: Expr) -> int | Expr:
    return int(value.value) if isinstance(value, Const) else value


def _sum(site: Site, *terms: Value | None) -> Value:
    present = [term for term in terms if term is not None]
    total = present[0]
    for term in present[1:]:
        total = site.call("add", total, term)
    return total


def _rnn_cell(layer: _Layer, inputs: Value, state: Sequence[Value]) -> list[Value]:
    (h,) = state
    site, (f,) = layer.site, layer.functions
    return [f(layer.limited(_sum(site, site.call("matmul", h, layer.recurrent), inputs)))]


def _gru_cell(layer: _Layer, inputs: Value, state: Sequence[Value]) -> list[Value]:
    (h,) = state
    site, (f, g) = layer.site, layer.functions
    own = None if layer.bias is None else layer.gate(layer.bias[1], 2, axis=0)
    if site.attributes.flag("linear_before_reset"):
        products = site.call("matmul", h, layer.recurrent)
        z, r = (f(layer.limited(_sum(site, layer.gate(products, i), layer.gate(inputs, i)))) for i in range(2))
        candidate = site.call("mul", r, _sum(site, layer.gate(products, 2), own))
    else:
        both = _part(site, layer.recurrent, 1, Const(0), site.dims.simplify(layer.hidden * 2))
        products = site.call("matmul", h, both)
        z, r = (f(layer.limited(_sum(site, layer.gate(products, i), layer.gate(inputs, i)))) for i in range(2))
        candidate = _sum(site, site.call("matmul", site.call("mul", r, h), layer.gate(layer.recurrent, 2)), own)
    new = g(layer.limited(_sum(site, layer.gate(inputs, 2), candidate)))
    rest = site.call("sub", site.scalar(1.0, h.dtype), z)
    return [_sum(site, site.call("mul", rest, new), site.call("mul", z, h))]


def _lstm_cell(layer: _Layer, inputs: Value, state: Sequence[Value]) -> list[Value]:
    h, c = state
    site, (f, g, k) = layer.site, layer.functions
    gates = _sum(site, site.call("matmul", h, layer.recurrent), inputs)

    def gate(number: int, cell: Value | None, weight: int) -> Value:
        peephole = None if layer.peepholes is None or cell is None else site.call("mul", layer.peepholes[weight], cell)
        return f(layer.limited(_sum(site, layer.gate(gates, number), peephole)))

    i = gate(0, c, 0)
    if site.attributes.flag("input_forget"):
        keep = site.call("sub", site.scalar(1.0, h.dtype), i)
    else:
        keep = gate(2, c, 2)
    new = g(layer.limited(layer.gate(gates, 3)))
    cell = _sum(site, site.call("mul", keep, c), site.call("mul", i, new))
    return [site.call("mul", gate(1, cell, 1), k(cell)), cell]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What distinguishes the layers: gates, activations per direction, the cell, how many values its state has."""

    gates: int
    functions: tuple[str, ...]
    cell: Cell
    states: int = 1


_RANKS: Final = (3, 3, 3, 2, 1, 3, 3, 2)
"""Of X, W, R, B, the lengths, the first states, and the peepholes."""


def _recurrent(site: Site, kind: _Kind) -> tuple[Value | None, ...]:
    for position, rank in enumerate(_RANKS):
        site.want_rank(position, rank)
    directions = _DIRECTIONS.get(site.attributes.text("direction", "forward").lower())
    if directions is None:
        site.invalid(f"direction is '{site.attributes.text('direction')}'")
    first = site.attributes.integer("layout", 0) == 1
    x = site.arg(0)
    if first:
        x = site.call("transpose", x, perm=(1, 0, 2))
    names = site.attributes.texts("activations") or kind.functions * len(directions)
    if len(names) != len(kind.functions) * len(directions):
        site.invalid(f"{len(names)} activations are given, {len(kind.functions) * len(directions)} are needed")
    functions = activations(site, names)
    wanted = len(kind.functions)
    runs = [
        _run(site, kind, x, number, back, functions[number * wanted : (number + 1) * wanted], batch_first=first)
        for number, back in enumerate(directions)
    ]
    results: list[Value | None] = [None]
    if site.wants(0):
        results[0] = _joined(
            site, [site.call("unsqueeze", run[0], axes=(2 if first else 1,)) for run in runs], 2 - (not first)
        )
    for position in range(kind.states):
        axis = 1 if first else 0
        results.append(_joined(site, [site.call("unsqueeze", run[1 + position], axes=(axis,)) for run in runs], axis))
    return tuple(results)


def _joined(site: Site, values: Sequence[Value], axis: int) -> Value:
    return values[0] if len(values) == 1 else site.call("concat", *values, axis=axis)


def _direction(site: Site, position: int, number: int, axis: int = 0) -> Value | None:
    """Return the part of an input that belongs to direction ``number``."""
    value = site.optional(position)
    if value is None:
        return None
    return site.call("squeeze", _part(site, value, axis, Const(number), Const(1)), axes=(axis,))


def _run(
    site: Site, kind: _Kind, x: Value, number: int, back: bool, functions: Sequence[Activation], *, batch_first: bool
) -> list[Value]:
    """Return the outputs of all steps and the state in the end, of one direction."""
    steps, batch, size = x.dims
    weights, recurrent = _direction(site, 1, number), _direction(site, 2, number)
    if weights is None or recurrent is None:
        site.invalid("weights are missing")
    hidden = recurrent.dims[1]
    width = site.dims.simplify(hidden * kind.gates)
    both = _direction(site, 3, number)
    bias = None if both is None else (_part(site, both, 0, Const(0), width), _part(site, both, 0, width, width))
    peepholes = _direction(site, 7, number) if kind.states == 2 else None
    weighted = (
        None
        if peepholes is None
        else tuple(_part(site, peepholes, 0, site.dims.simplify(hidden * i), hidden) for i in range(3))
    )
    assert weighted is None or len(weighted) == 3
    layer = _Layer(site, site.call("transpose", recurrent, perm=(1, 0)), bias, weighted, functions, hidden)
    flat = site.reshape(x, (site.dims.product((steps, batch)), size))
    products = site.call("matmul", flat, site.call("transpose", weights, perm=(1, 0)))
    if bias is not None:
        products = site.call("add", products, _input_bias(layer, kind, bias))
    inputs = site.reshape(products, (steps, batch, width))
    start = [_start(site, position, number, (batch, hidden), x, batch_first) for position in (5, 6)[: kind.states]]
    outputs, final = _unrolled(layer, kind, inputs, start, back)
    if outputs is None:
        return [*final[:1], *final]
    if back:
        outputs = site.call("slice", outputs, axes=(0,), starts=(None,), ends=(None,), steps=(-1,))
    return [site.call("transpose", outputs, perm=(1, 0, 2)) if batch_first else outputs, *final]


def _input_bias(layer: _Layer, kind: _Kind, bias: tuple[Value, Value]) -> Value:
    """Return what is added to the products of all inputs: all biases but the one in reach of a GRU's reset gate."""
    site = layer.site
    if kind.gates != _GRU.gates:
        return site.call("add", *bias)
    two = site.dims.simplify(layer.hidden * 2)
    gates = site.call("add", *(_part(site, part, 0, Const(0), two) for part in bias))
    return site.call("concat", gates, layer.gate(bias[0], 2, axis=0), axis=0)


def _start(site: Site, position: int, number: int, shape: tuple[Expr, Expr], x: Value, batch_first: bool) -> Value:
    given = _direction(site, position, number, axis=1 if batch_first else 0)
    return site.fill(shape, 0.0, x.dtype) if given is None else given


def _unrolled(
    layer: _Layer, kind: _Kind, inputs: Value, start: Sequence[Value], back: bool
) -> tuple[Value | None, tuple[Value, ...]]:
    site = layer.site
    steps = inputs.dims[0]
    lengths = site.optional(4)
    limits = None if lengths is None else site.call("unsqueeze", site.cast(lengths, INT64), axes=(1,))

    def body(turn: Value, alive: Value, state: Sequence[Value]) -> Trip:
        del alive
        new = kind.cell(layer, row(site, inputs, 0, turn, steps if back else None), state)
        output = new[0]
        if limits is not None:
            step = site.call("sub", site.builder.sizes([site.dims.simplify(steps - 1)], "last"), turn) if back else turn
            active = site.call("less", step, limits)
            output = site.call("where", active, output, site.scalar(0.0, output.dtype))
            new = [site.call("where", active, value, old) for value, old in zip(new, state, strict=True)]
        return Trip(None, new, [output] if site.wants(0) else [])

    final, stacks = loop(site, site.builder.sizes([steps], "steps"), None, start, body)
    return (stacks[0] if stacks else None), final


_RNN: Final = _Kind(1, ("Tanh",), _rnn_cell)
_GRU: Final = _Kind(3, ("Sigmoid", "Tanh"), _gru_cell)
_LSTM: Final = _Kind(4, ("Sigmoid", "Tanh", "Tanh"), _lstm_cell, 2)

CONVERTERS: Final[dict[str, Versions]] = {
    "RNN": since(lambda site: _recurrent(site, _RNN)),
    "GRU": since(lambda site: _recurrent(site, _GRU)),
    "LSTM": since(lambda site: _recurrent(site, _LSTM)),
}
