"""Exchange of channels and spatial blocks of ``[N, C, H, W]``."""

from __future__ import annotations

from tondo.ir import Const, Expr, OpCall, Operator, TensorFunction, TensorType
from tondo_ops.support.attributes import choice, integer, refuse
from tondo_ops.support.dims import tidy
from tondo_ops.support.indices import at
from tondo_ops.support.typing import count, start, want_rank

_RANK = 4


def _block(call: OpCall) -> int:
    count(call, 1)
    want_rank(call, call.args[0], _RANK)
    block = integer(call, "block")
    if block < 1:
        refuse(call, "attribute 'block' must be positive")
    return block


def _whole(call: OpCall, extent: Expr, divisor: int) -> Expr:
    if isinstance(extent, Const) and extent.value % divisor:
        refuse(call, f"{extent.value} is not a multiple of {divisor}")
    return tidy(extent // divisor)


def _infer_to_space(call: OpCall) -> tuple[TensorType, ...]:
    block = _block(call)
    n, c, h, w = call.args[0].dims
    choice(call, "mode", ("dcr", "crd"), "dcr")
    return (TensorType((n, _whole(call, c, block * block), tidy(h * block), tidy(w * block)), call.args[0].dtype),)


def _define_to_space(call: OpCall) -> TensorFunction:
    (out,) = _infer_to_space(call)
    block = _block(call)
    depth_first = choice(call, "mode", ("dcr", "crd"), "dcr") == "dcr"
    builder, (x,) = start(call, "x")

    def value(n: Expr, c: Expr, h: Expr, w: Expr) -> Expr:
        place = h % block * block + w % block
        channel = place * out.dims[1] + c if depth_first else c * (block * block) + place
        return at(x, (n, channel, h // block, w // block))

    return builder.build(builder.compute("y", out.dims, value))


def _infer_to_depth(call: OpCall) -> tuple[TensorType, ...]:
    block = _block(call)
    n, c, h, w = call.args[0].dims
    return (
        TensorType((n, tidy(c * (block * block)), _whole(call, h, block), _whole(call, w, block)), call.args[0].dtype),
    )


def _define_to_depth(call: OpCall) -> TensorFunction:
    (out,) = _infer_to_depth(call)
    block = _block(call)
    builder, (x,) = start(call, "x")
    channels = x.shape[1]

    def value(n: Expr, c: Expr, h: Expr, w: Expr) -> Expr:
        place = c // channels
        return at(x, (n, c % channels, h * block + place // block, w * block + place % block))

    return builder.build(builder.compute("y", out.dims, value))


OPERATORS: tuple[Operator, ...] = (
    Operator("depth_to_space", _infer_to_space, _define_to_space, "channels to spatial blocks"),
    Operator("space_to_depth", _infer_to_depth, _define_to_depth, "spatial blocks to channels"),
)
