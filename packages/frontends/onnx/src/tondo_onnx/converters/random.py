"""Random numbers: uniform, normal, of given probabilities.

A node with a ``seed`` returns the same numbers in every call. The others draw a key from the runtime in each call, see
``tondo_runtime.seed``.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from tondo.ir import FLOAT32, INT32, INT64, Const, DType, Expr
from tondo_onnx.build.dims import plains
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Converter, Site, Versions, since
from tondo_onnx.read.types import dtype_of

_KEY: Final = "tondo.random.key"


def key_of(site: Site) -> Value:
    """Return the key of the numbers of a node: constant if it has a seed, else a new one in each call."""
    if "seed" in site.attributes:
        bits = np.array(float(site.attributes.number("seed")), np.float64).view(np.int64)
        return site.builder.constant(np.array([bits & np.int64(np.iinfo(np.int64).max), 0], np.int64), "key")
    return site.builder.packed(_KEY, (), (site.vector([0, 0]).type,), effect="io")[0]


def _drawn(site: Site, op: str, shape: tuple[Expr, ...], kind: DType) -> Value:
    if not kind.is_float:
        site.refuse(f"random numbers of {kind}")
    names = ("low", "high") if op == "random_uniform" else ("mean", "scale")
    values = {name: site.attributes.number(name, default) for name, default in zip(names, (0.0, 1.0), strict=True)}
    return site.call(op, key_of(site), shape=plains(shape), dtype=kind, **values)


def _random(op: str) -> Converter:
    def convert(site: Site) -> Value:
        kind = dtype_of(site.attributes.integer("dtype", 1), f"the result of {site.label}")
        shape = site.attributes.ints("shape")
        if shape is None:
            site.invalid("attribute 'shape' is missing")
        return _drawn(site, op, tuple(Const(size) for size in shape), kind)

    return convert


def _random_like(op: str) -> Converter:
    def convert(site: Site) -> Value:
        x, named = site.arg(0), site.attributes.integer("dtype", 0)
        kind = dtype_of(named, f"the result of {site.label}") if named else x.dtype
        return _drawn(site, op, x.dims, kind)

    return convert


def _bernoulli(site: Site) -> Value:
    """Return 1 with the probability of the input; the function of the standard has 0 and 1 the other way round."""
    x, named = site.arg(0), site.attributes.integer("dtype", 0)
    if not x.dtype.is_float:
        site.invalid(f"probabilities are {x.dtype}")
    kind = dtype_of(named, f"the result of {site.label}") if named else x.dtype
    work = x.dtype if x.dtype.bits >= FLOAT32.bits else FLOAT32
    drawn = site.call("random_uniform", key_of(site), shape=plains(x.dims), dtype=work)
    return site.cast(site.call("less", drawn, site.cast(x, work)), kind)


def _multinomial(site: Site) -> Value:
    """Return classes ``[batch, samples]``: how many sums of probabilities a uniform number reaches."""
    x = site.arg(0)
    if x.rank != 2:
        site.invalid("the input is not a matrix")
    kind = dtype_of(site.attributes.integer("dtype", 6), f"the result of {site.label}")
    if kind not in {INT32, INT64}:
        site.invalid(f"classes are numbered by int32 or int64, not {kind}")
    batch, classes = x.dims
    work = x.dtype if x.dtype.bits >= FLOAT32.bits else FLOAT32
    shares = site.call("softmax", site.cast(x, work), axis=1)
    sums = site.reshape(site.call("cumsum", shares, axis=1), (batch, 1, classes))
    samples = Const(site.attributes.integer("sample_size", 1))
    drawn = site.call("random_uniform", key_of(site), shape=plains((batch, samples, 1)), dtype=work)
    passed = site.cast(site.call("less_equal", sums, drawn), INT64)
    found = site.call("reduce_sum", passed, axes=(2,), keepdims=False)
    last = site.call("sub", site.reshape(site.builder.sizes([classes], "classes"), ()), site.scalar(1, INT64))
    return site.cast(site.call("min", found, last), kind)


def dropped(site: Site, training: Value) -> tuple[Value, Value]:
    """Return the input with elements dropped at random where ``training`` holds, and which are kept."""
    x, ratio = site.arg(0), site.optional(1)
    share = site.scalar(0.5, FLOAT32) if ratio is None else site.reshape(site.cast(ratio, FLOAT32), ())
    trains, one = site.reshape(training, ()), site.scalar(1.0, FLOAT32)
    drawn = site.call("random_uniform", key_of(site), shape=plains(x.dims), dtype=FLOAT32)
    kept = site.call("logical_or", site.call("logical_not", trains), site.call("greater_equal", drawn, share))
    factor = site.call("where", trains, site.call("div", one, site.call("sub", one, share)), one)
    larger = site.cast(site.call("mul", site.cast(x, FLOAT32), factor), x.dtype)
    return site.call("where", kept, larger, site.scalar(0.0, x.dtype)), kept


CONVERTERS: Final[dict[str, Versions]] = {
    "RandomUniform": since(_random("random_uniform")),
    "RandomNormal": since(_random("random_normal")),
    "RandomUniformLike": since(_random_like("random_uniform")),
    "RandomNormalLike": since(_random_like("random_normal")),
    "Bernoulli": since(_bernoulli),
    "Multinomial": since(_multinomial),
}
