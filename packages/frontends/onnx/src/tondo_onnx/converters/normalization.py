"""Normalisation operators."""

from __future__ import annotations

from typing import Final

from tondo.ir import FLOAT32, Const
from tondo_onnx.build.dims import plains
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Site, Versions, since

_GROUP_PER_CHANNEL: Final = 21


def _batch_norm(site: Site) -> tuple[Value, ...]:
    """Convert BatchNormalization in inference form; its further outputs belong to training."""
    if site.attributes.flag("training_mode"):
        return _batch_norm_in_training(site)
    if any(site.wants(position) for position in range(1, 5)):
        site.refuse("outputs of training")
    x, scale, bias, mean, variance = (site.arg(position) for position in range(5))
    epsilon = site.attributes.number("epsilon", 1e-5)
    if not site.attributes.flag("spatial", True) and x.rank > 2:
        spread = site.call("sqrt", site.call("add", variance, site.scalar(epsilon, variance.dtype)))
        normal = site.call("div", site.call("sub", x, mean), spread)
        return (site.call("add", site.call("mul", normal, scale), bias),)
    params = [site.cast(param, x.dtype) for param in (scale, bias, mean, variance)]
    return (site.call("batch_norm", x, *params, epsilon=epsilon),)


def _batch_norm_in_training(site: Site) -> tuple[Value, ...]:
    """Return the result normalised by the batch's own mean and variance, and both blended into the running ones."""
    x, scale, bias, mean, variance = (site.arg(position) for position in range(5))
    momentum = site.attributes.number("momentum", 0.9)
    axes = tuple(axis for axis in range(x.rank) if axis != 1)
    own = site.call("reduce_mean", x, axes=axes, keepdims=True)
    moved = site.call("sub", x, own)
    spread = site.call("reduce_mean", site.call("mul", moved, moved), axes=axes, keepdims=True)
    flat_mean, flat_variance = (site.reshape(value, (x.dims[1],)) for value in (own, spread))

    def blended(running: Value, current: Value) -> Value:
        current = site.cast(current, running.dtype)
        old = site.call("mul", running, site.scalar(momentum, running.dtype))
        return site.call("add", old, site.call("mul", current, site.scalar(1.0 - momentum, running.dtype)))

    params = [site.cast(param, x.dtype) for param in (scale, bias, flat_mean, flat_variance)]
    result = site.call("batch_norm", x, *params, epsilon=site.attributes.number("epsilon", 1e-5))
    return result, blended(mean, flat_mean), blended(variance, flat_variance)


def _instance_norm(site: Site) -> Value:
    return site.call("instance_norm", *site.args, epsilon=site.attributes.number("epsilon", 1e-5))


def _layer_norm(site: Site) -> tuple[Value, ...]:
    x, scale, bias = site.arg(0), site.optional(1), site.optional(2)
    axis = site.axis(site.attributes.integer("axis", -1), x.rank)
    epsilon = site.attributes.number("epsilon", 1e-5)
    params = [param for param in (scale, bias) if param is not None]
    result = site.call("layer_norm", x, *params, axis=axis, epsilon=epsilon)
    if not (site.wants(1) or site.wants(2)):
        return (result,)
    axes = tuple(range(axis, x.rank))
    wide = site.cast(x, FLOAT32) if site.attributes.integer("stash_type", 1) == 1 else x
    mean = site.call("reduce_mean", wide, axes=axes, keepdims=True)
    centred = site.call("sub", wide, mean)
    variance = site.call("reduce_mean", site.call("mul", centred, centred), axes=axes, keepdims=True)
    return result, mean, site.call("rsqrt", site.call("add", variance, site.scalar(epsilon, variance.dtype)))


def _rms_norm(site: Site) -> Value:
    x = site.arg(0)
    axis = site.axis(site.attributes.integer("axis", -1), x.rank)
    scale = [param for param in (site.optional(1),) if param is not None]
    return site.call("rms_norm", x, *scale, axis=axis, epsilon=site.attributes.number("epsilon", 1e-5))


def _group_norm(site: Site) -> Value:
    """Convert GroupNormalization; before operator set 21 scale and bias are given per group."""
    x, scale, bias = site.arg(0), site.arg(1), site.arg(2)
    groups = site.attributes.integer("num_groups")
    if site.version < _GROUP_PER_CHANNEL:
        scale, bias = (_per_channel(site, param, x, groups) for param in (scale, bias))
    return site.call("group_norm", x, scale, bias, groups=groups, epsilon=site.attributes.number("epsilon", 1e-5))


def _per_channel(site: Site, param: Value, x: Value, groups: int) -> Value:
    channels = x.dims[1]
    each = site.dims.quotient([channels], [Const(groups)])
    column = site.reshape(param, (groups, 1))
    return site.reshape(site.call("expand", column, shape=plains((Const(groups), each))), (channels,))


def _lrn(site: Site) -> Value:
    attributes = site.attributes
    return site.call(
        "lrn", site.arg(0), size=attributes.integer("size"), alpha=attributes.number("alpha", 1e-4),
        beta=attributes.number("beta", 0.75), bias=attributes.number("bias", 1.0),
    )  # fmt: skip


def _lp_normalization(site: Site) -> Value:
    x = site.arg(0)
    axis = site.axis(site.attributes.integer("axis", -1), x.rank)
    return site.call("lp_normalization", x, axis=axis, p=site.attributes.integer("p", 2))


def _mvn_old(site: Site) -> Value:
    """Convert the first MeanVarianceNormalization, whose axes follow from ``across_channels``; batch is always one."""
    x = site.arg(0)
    across = site.attributes.flag("across_channels")
    axes = tuple(axis for axis in range(x.rank) if across or axis != 1)
    if not site.attributes.flag("normalize_variance", True):
        return site.call("sub", x, site.call("reduce_mean", x, axes=axes, keepdims=True))
    return site.call("mean_variance_normalization", x, axes=axes)


def _mvn(site: Site) -> Value:
    x = site.arg(0)
    axes = site.attributes.ints("axes")
    chosen = (0, 2, 3) if axes is None else axes
    return site.call("mean_variance_normalization", x, axes=tuple(site.axis(axis, x.rank) for axis in chosen))


CONVERTERS: Final[dict[str, Versions]] = {
    "BatchNormalization": since(_batch_norm),
    "InstanceNormalization": since(_instance_norm),
    "LayerNormalization": since(_layer_norm),
    "RMSNormalization": since(_rms_norm),
    "GroupNormalization": since(_group_norm),
    "LRN": since(_lrn),
    "LpNormalization": since(_lp_normalization),
    "MeanVarianceNormalization": since(1, _mvn_old, 9, _mvn),
}
