"""RNN, GRU, LSTM with their options, compared with onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from tondo.diagnostics import TondoError

F = "float32"
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STEPS, BATCH, SIZE, HIDDEN = 4, 3, 5, 2


def build(tools, rng, op, *, optional=(), outputs=None, opset=17, steps=STEPS, **attributes):
    """Return a model of one layer with constant weights and its inputs; ``optional`` names inputs that are given."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    width = GATES[op] * HIDDEN
    batch_first = attributes.get("layout") == 1
    state = (BATCH, directions, HIDDEN) if batch_first else (directions, BATCH, HIDDEN)
    shapes = {
        "B": (directions, 2 * width),
        "lengths": (BATCH,),
        "h": state,
        "c": state,
        "P": (directions, 3 * HIDDEN),
    }
    constants = {"W": draw(rng, directions, width, SIZE), "R": draw(rng, directions, width, HIDDEN)}
    inputs = {"x": draw(rng, *((BATCH, steps) if batch_first else (steps, BATCH)), SIZE)}
    for name in optional:
        if name == "lengths":
            inputs[name] = np.array([steps, 1, 2], np.int32)
        elif name in {"h", "c"}:
            inputs[name] = draw(rng, *shapes[name])
        else:
            constants[name] = draw(rng, *shapes[name])
    order = ["B", "lengths", "h", "c", "P"] if op == "LSTM" else ["B", "lengths", "h"]
    names = outputs or (("y", "yh", "yc") if op == "LSTM" else ("y", "yh"))
    node = tools.node(
        op,
        ["x", "W", "R", *[name if name in optional else "" for name in order]],
        names,
        hidden_size=HIDDEN,
        **attributes,
    )
    kinds = {name: (array.dtype, array.shape) for name, array in inputs.items()}
    model = tools.model([node], kinds, [name for name in names if name], constants, opset)
    return model, list(inputs.values())


def draw(rng, *shape):
    return rng.standard_normal(shape).astype(F)


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("optional", [(), ("B",), ("B", "lengths", "h")])
def test_directions(tools, rng, op, direction, optional):
    model, inputs = build(tools, rng, op, optional=optional, direction=direction)
    tools.check(model, *inputs)


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("outputs", [("y",), ("", "yh")])
def test_results_may_be_left_out(tools, rng, op, outputs):
    model, inputs = build(tools, rng, op, optional=("B",), outputs=outputs)
    tools.check(model, *inputs)


@pytest.mark.parametrize("steps", [1, 7])
def test_lengths_of_sequences(tools, rng, steps):
    model, inputs = build(tools, rng, "LSTM", optional=("h", "c"), steps=steps)
    tools.check(model, *inputs)


@pytest.mark.parametrize(
    ("op", "optional", "attributes"),
    [
        ("LSTM", ("B", "lengths", "h", "c", "P"), {}),
        ("LSTM", ("B", "h", "c", "P"), {"direction": "bidirectional", "clip": 0.4}),
        ("LSTM", ("B", "c"), {"input_forget": 1}),
        ("GRU", ("B", "h"), {"linear_before_reset": 1, "clip": 0.3}),
        ("GRU", ("B", "lengths"), {"linear_before_reset": 1, "direction": "bidirectional"}),
        ("RNN", ("B",), {"clip": 0.2}),
        ("RNN", ("B",), {"activations": ["Relu"]}),
        ("RNN", ("B",), {"activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.1]}),
        ("RNN", ("B",), {"activations": ["ScaledTanh"], "activation_alpha": [1.7], "activation_beta": [0.6]}),
        ("RNN", ("B",), {"activations": ["LeakyRelu"], "activation_alpha": [0.2]}),
        ("RNN", ("B",), {"activations": ["ThresholdedRelu"], "activation_alpha": [0.3]}),
        ("RNN", ("B",), {"activations": ["Elu"], "activation_alpha": [1.5]}),
        ("RNN", ("B",), {"activations": ["Softsign"]}),
        ("RNN", ("B",), {"activations": ["Softplus"]}),
        (
            "GRU",
            ("B",),
            {"activations": ["HardSigmoid", "Tanh"], "activation_alpha": [0.3], "activation_beta": [0.4]},
        ),
        ("LSTM", ("B",), {"activations": ["sigmoid", "relu", "tanh"]}),
    ],
)
def test_options(tools, rng, op, optional, attributes):
    model, inputs = build(tools, rng, op, optional=optional, **attributes)
    tools.check(model, *inputs)


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_batch_first_is_the_same_transposed(tools, rng, op, direction):
    """onnxruntime has no batch-first layers."""
    model, inputs = build(tools, rng, op, optional=("B", "h"), direction=direction)
    x, h = inputs
    usual = tools.run(tools.load(model), inputs)
    swapped, _ = build(tools, rng, op, optional=("B", "h"), direction=direction, layout=1)
    del swapped.graph.initializer[:]
    swapped.graph.initializer.extend(model.graph.initializer)
    found = tools.run(tools.load(swapped), [x.swapaxes(0, 1), h.swapaxes(0, 1)])
    np.testing.assert_allclose(found[0], usual[0].transpose(2, 0, 1, 3), rtol=1e-5, atol=1e-6)
    for mine, wanted in zip(found[1:], usual[1:], strict=True):
        np.testing.assert_allclose(mine, wanted.swapaxes(0, 1), rtol=1e-5, atol=1e-6)


def test_refused(tools, rng):
    for attributes in ({"direction": "sideways"}, {"activations": ["Tanh", "Tanh"]}, {"activations": ["Unknown"]}):
        model, _ = build(tools, rng, "RNN", **attributes)
        with pytest.raises(TondoError) as caught:
            tools.load(model)
        assert caught.value.code == "TND-M004"
