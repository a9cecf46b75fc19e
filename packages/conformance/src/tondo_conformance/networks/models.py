"""The networks: each returns its module and makes inputs of a size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tondo.ir import (
    INT64,
    GraphVar,
    IfRegion,
    IRModule,
    LoopRegion,
    Operator,
    ShapeValue,
    TensorType,
    dims,
    dtype,
)
from tondo_conformance.backend import Array, Feed
from tondo_conformance.networks.layers import Layers

Operators = Mapping[str, Operator]
Sizes = Mapping[str, int]
_MODEL, _HEADS, _WIDTH, _WORDS = 64, 4, 16, 97


@dataclass(frozen=True, slots=True)
class Network:
    """A network: its module, inputs for sizes, the sizes it is asked about, how deep its sums are."""

    name: str
    about: str
    build: Callable[[Operators, Sizes], IRModule]
    feed: Callable[[np.random.Generator, Sizes], Feed]
    sizes: tuple[Sizes, ...]
    depth: int = 4096


def _normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


# ------------------------------------------------------------------------------------------ convolution


def residual(operators: Operators, sizes: Sizes) -> IRModule:
    """Build convolutions with batch normalisation and shortcuts, any image size."""
    net = Layers(operators, sizes, 1)
    x = net.call("relu", net.batch_norm(net.conv(net.input("image", ("batch", 3, "height", "width")), 3, 16, 7, 2), 16))
    x = net.call("max_pool", x, kernel=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1))
    for inner, outer, stride in ((16, 16, 1), (16, 32, 2)):
        y = net.call("relu", net.batch_norm(net.conv(x, inner, outer, 3, stride), outer))
        y = net.batch_norm(net.conv(y, outer, outer, 3), outer)
        short = x if stride == 1 else net.batch_norm(net.conv(x, inner, outer, 1, stride), outer)
        x = net.call("relu", net.call("add", y, short))
    pooled = net.call("reduce_mean", x, axes=(2, 3), keepdims=False)
    return net.module(net.linear(pooled, 32, 10))


def mobile(operators: Operators, sizes: Sizes) -> IRModule:
    """Build depthwise convolutions, squeeze and excitation, hard activations."""
    net = Layers(operators, sizes, 2)
    x = net.call("hard_swish", net.conv(net.input("image", ("batch", 3, "height", "width")), 3, 16, 3, 2))
    for stride in (1, 2):
        y = net.call("hard_swish", net.conv(x, 16, 48, 1))
        y = net.call("hard_swish", net.conv(y, 48, 48, 5, stride, groups=48))
        squeezed = net.call("reduce_mean", y, axes=(2, 3))
        gate = net.call("hard_sigmoid", net.conv(net.call("relu", net.conv(squeezed, 48, 12, 1)), 12, 48, 1))
        y = net.conv(net.call("mul", y, gate), 48, 16, 1)
        x = net.call("add", x, y) if stride == 1 else y
    return net.module(net.linear(net.call("reduce_max", x, axes=(2, 3), keepdims=False), 16, 10))


def upscale(operators: Operators, sizes: Sizes) -> IRModule:
    """Build an encoder and decoder of images: transposed convolution, resize, concat, pixels from channels."""
    net = Layers(operators, sizes, 3)
    image = net.input("image", ("batch", 3, 16, 24))
    down = net.call("relu", net.conv(image, 3, 8, 3, 2))
    deep = net.call("leaky_relu", net.conv(down, 8, 16, 3, 2))
    up = net.call("conv_transpose", deep, net.weight(16, 8, 2, 2), strides=(2, 2))
    joined = net.call("concat", down, up, axis=1)
    fine = net.call("depth_to_space", net.conv(joined, 16, 12, 3), block=2)
    coarse = net.call("resize", down, sizes=(net.dim("batch"), 8, 16, 24), mode="linear")
    return net.module(net.call("sigmoid", net.call("add", fine, net.conv(coarse, 8, 3, 1))))


def _image(rng: np.random.Generator, sizes: Sizes) -> Feed:
    return {"image": _normal(rng, sizes["batch"], 3, sizes.get("height", 16), sizes.get("width", 24))}


# ------------------------------------------------------------------------------------------ transformers


def encoder(operators: Operators, sizes: Sizes, kind: str = "float32") -> IRModule:
    """Build embeddings, masked self-attention and a feed-forward part, twice."""
    net = Layers(operators, sizes, 4, kind)
    ids, seen = net.input("ids", ("batch", "seq"), "int64"), net.input("mask", ("batch", "seq"), "bool")
    x = net.call("gather", net.weight(_WORDS, _MODEL), ids)
    hidden = net.call("where", seen, net.number(0.0), net.number(-1e4))
    mask = net.call("unsqueeze", hidden, axes=(1, 2))
    for _ in range(2):
        x = net.call("add", x, _self_attention(net, net.layer_norm(x, _MODEL), mask))
        y = net.call("gelu", net.linear(net.layer_norm(x, _MODEL), _MODEL, 2 * _MODEL))
        x = net.call("add", x, net.linear(y, 2 * _MODEL, _MODEL))
    return net.module(net.layer_norm(x, _MODEL))


def encoder_half(operators: Operators, sizes: Sizes) -> IRModule:
    """Build the encoder with weights and values of half precision."""
    return encoder(operators, sizes, "float16")


def _self_attention(net: Layers, x: GraphVar, mask: GraphVar) -> GraphVar:
    shape = ("batch", "seq")
    q, k, v = (net.heads(net.linear(x, _MODEL, _MODEL), shape, _HEADS, _WIDTH) for _ in range(3))
    return net.linear(net.attention(q, k, v, shape, _MODEL, mask), _MODEL, _MODEL)


def _ids(rng: np.random.Generator, sizes: Sizes) -> Feed:
    shape = (sizes["batch"], sizes["seq"])
    seen = rng.random(shape) < 0.8
    seen[:, 0] = True
    return {"ids": rng.integers(0, _WORDS, shape), "mask": seen}


def decoder(operators: Operators, sizes: Sizes) -> IRModule:
    """Build one step of a decoder: keys and values of the past come in, longer ones go out."""
    net = Layers(operators, sizes, 5)
    ids = net.input("ids", ("batch", 1), "int64")
    past = [net.input(name, ("batch", _HEADS, "past", _WIDTH)) for name in ("keys", "values")]
    x = net.call("gather", net.weight(_WORDS, _MODEL), ids)
    n, shape = net.call("rms_norm", x, net.weight(_MODEL)), ("batch", 1)
    q = net.heads(net.linear(n, _MODEL, _MODEL), shape, _HEADS, _WIDTH)
    now = [net.heads(net.linear(n, _MODEL, _MODEL), shape, _HEADS, _WIDTH) for _ in past]
    keys, values = (net.call("concat", old, new, axis=2) for old, new in zip(past, now, strict=True))
    x = net.call("add", x, net.linear(net.attention(q, keys, values, shape, _MODEL), _MODEL, _MODEL))
    gate = net.call("silu", net.linear(x, _MODEL, 2 * _MODEL))
    x = net.call("add", x, net.linear(net.call("mul", gate, net.linear(x, _MODEL, 2 * _MODEL)), 2 * _MODEL, _MODEL))
    return net.module(net.linear(x, _MODEL, _WORDS), keys, values)


def _step(rng: np.random.Generator, sizes: Sizes) -> Feed:
    batch, past = sizes["batch"], sizes["past"]
    cache = {name: _normal(rng, batch, _HEADS, past, _WIDTH) for name in ("keys", "values")}
    return {"ids": rng.integers(0, _WORDS, (batch, 1)), **cache}


def quantised(operators: Operators, sizes: Sizes) -> IRModule:
    """Build a network of two layers of 8-bit products with zero points of activations."""
    net = Layers(operators, sizes, 6)
    x: GraphVar = net.input("x", ("batch", 48))
    for rows, columns in ((48, 64), (64, 10)):
        scale, zero = net.number(0.03), net.constant(np.int8(3), "z")
        q = net.call("quantize_linear", x, scale, zero, dtype=dtype("int8"))
        shifted = net.call("sub", net.call("cast", q, dtype=dtype("int32")), net.constant(np.int32(3), "z"))
        weights = net.constant(net.rng.integers(-127, 128, (rows, columns)).astype(np.int32), "w")
        total = net.call("cast", net.call("matmul", shifted, weights), dtype=dtype("float32"))
        x = net.call("relu", net.call("mul", total, net.number(0.03 / 127 / rows**0.5)))
    return net.module(x)


def _rows(rng: np.random.Generator, sizes: Sizes) -> Feed:
    return {"x": _normal(rng, sizes["batch"], 48)}


# ------------------------------------------------------------------------------------------ control flow

_CELL = 24


def recurrent(operators: Operators, sizes: Sizes) -> IRModule:
    """Build a long short-term memory that runs over a sequence in a loop."""
    net = Layers(operators, sizes, 7)
    x = net.input("x", ("seq", "batch", 12))
    state = [net.input(name, ("batch", _CELL)) for name in ("hidden", "memory")]
    (trips,) = net.bind(ShapeValue((net.dim("seq"),), scalar=True), TensorType((), INT64), name="trips")
    body = net.region_graph()
    turn, alive = body.input("turn", (), "int64"), body.input("alive", (), "bool")
    hidden, memory = (body.input(name, ("batch", _CELL)) for name in ("h", "c"))
    now = body.call("gather", x, turn, axis=0)
    gates = body.call("add", body.linear(now, 12, 4 * _CELL), body.linear(hidden, _CELL, 4 * _CELL))
    i, f, o, g = (
        body.call("slice", gates, axes=(1,), starts=(part * _CELL,), ends=((part + 1) * _CELL,)) for part in range(4)
    )
    kept = body.call("mul", body.call("sigmoid", f), memory)
    memory = body.call("add", kept, body.call("mul", body.call("sigmoid", i), body.call("tanh", g)))
    hidden = body.call("mul", body.call("sigmoid", o), body.call("tanh", memory))
    region = body.region(alive, hidden, memory, hidden)
    one = TensorType(dims((net.dim("batch"), _CELL)), dtype("float32"))
    every = TensorType(dims((net.dim("seq"), net.dim("batch"), _CELL)), dtype("float32"))
    loop = LoopRegion(trips, None, tuple(state), region)
    last, final, outputs = net.bind(loop, one, one, every, name="lstm")
    return net.module(last, final, net.linear(outputs, _CELL, 5))


def _sequence(rng: np.random.Generator, sizes: Sizes) -> Feed:
    batch = sizes["batch"]
    start = {name: _normal(rng, batch, _CELL) for name in ("hidden", "memory")}
    return {"x": _normal(rng, sizes["seq"], batch, 12), **start}


def branches(operators: Operators, sizes: Sizes) -> IRModule:
    """Build a network whose input decides which of two experts runs."""
    net = Layers(operators, sizes, 8)
    x = net.input("x", ("batch", 48))
    y = net.call("tanh", net.linear(x, 48, 32))
    total = net.call("reduce_sum", x, keepdims=False)
    condition = net.call("greater", total, net.number(0.0))
    then, orelse = net.region_graph(), net.region_graph()
    first = then.region(then.call("relu", then.linear(y, 32, 16)))
    second = orelse.region(orelse.call("softmax", orelse.linear(orelse.call("neg", y), 32, 16)))
    kind = TensorType(dims((net.dim("batch"), 16)), dtype("float32"))
    (chosen,) = net.bind(IfRegion(condition, first, second), kind, name="expert")
    return net.module(net.linear(chosen, 16, 4))


_IMAGES = (
    {"batch": 1, "height": 32, "width": 32},
    {"batch": 2, "height": 33, "width": 47},
    {"batch": 1, "height": 7, "width": 64},
)
_TEXTS = ({"batch": 1, "seq": 1}, {"batch": 2, "seq": 17}, {"batch": 1, "seq": 64}, {"batch": 3, "seq": 5})
_STEPS = ({"batch": 1, "past": 1}, {"batch": 2, "past": 31}, {"batch": 1, "past": 128})
_BATCHES = ({"batch": 1}, {"batch": 5}, {"batch": 32}, {"batch": 2})
_RUNS = ({"batch": 1, "seq": 1}, {"batch": 3, "seq": 9}, {"batch": 2, "seq": 40})

NETWORKS = (
    Network("residual", residual.__doc__ or "", residual, _image, _IMAGES),
    Network("mobile", mobile.__doc__ or "", mobile, _image, _IMAGES),
    Network("upscale", upscale.__doc__ or "", upscale, _image, _BATCHES),
    Network("encoder", encoder.__doc__ or "", encoder, _ids, _TEXTS),
    Network("encoder-half", encoder_half.__doc__ or "", encoder_half, _ids, _TEXTS, 256),
    Network("decoder", decoder.__doc__ or "", decoder, _step, _STEPS),
    Network("quantised", quantised.__doc__ or "", quantised, _rows, _BATCHES),
    Network("recurrent", recurrent.__doc__ or "", recurrent, _sequence, _RUNS),
    Network("branches", branches.__doc__ or "", branches, _rows, _BATCHES),
)
