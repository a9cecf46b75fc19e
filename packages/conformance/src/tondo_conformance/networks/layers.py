"""Layers with seeded random weights, scaled such that values keep their magnitude from layer to layer."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tondo.ir import Atom, Const, ConstantRef, GraphVar, Operator
from tondo_conformance.graphs import Dim, Graph


class Layers(Graph):
    """A graph that grows by layers."""

    def __init__(
        self,
        operators: Mapping[str, Operator],
        sizes: Mapping[str, int],
        seed: int = 0,
        kind: str = "float32",
        outer: Layers | None = None,
    ) -> None:
        """Draw weights of the element type ``kind`` from ``seed``; ``sizes`` are fixed dimensions."""
        super().__init__(operators, sizes, outer)
        self._all = operators
        self.kind = kind
        self.rng = np.random.default_rng(seed) if outer is None else outer.rng

    def region_graph(self) -> Layers:
        """Begin a region, which draws its weights from the same source."""
        return Layers(self._all, self._sizes, 0, self.kind, self)

    def weight(self, *shape: int) -> ConstantRef:
        """Return weights whose products with values of magnitude 1 sum up to magnitude 1; the first axis is kept."""
        fan = math.prod(shape[1:]) if len(shape) > 1 else 1
        return self.constant((self.rng.standard_normal(shape) / math.sqrt(fan)).astype(self.kind), "w")

    def number(self, value: float) -> ConstantRef:
        """Return a constant of rank 0."""
        return self.constant(np.array(value, self.kind), "c")

    def linear(self, x: Atom, rows: int, columns: int) -> GraphVar:
        """Return ``x @ w + b``."""
        weight = self.constant((self.rng.standard_normal((rows, columns)) / math.sqrt(rows)).astype(self.kind), "w")
        return self.call("add", self.call("matmul", x, weight), self.weight(columns))

    def conv(self, x: Atom, inner: int, outer: int, kernel: int, stride: int = 1, groups: int = 1) -> GraphVar:
        """Return a convolution that keeps the size up to its stride."""
        weight, bias = self.weight(outer, inner // groups, kernel, kernel), self.weight(outer)
        return self.call(
            "conv", x, weight, bias, strides=(stride, stride), pads=(kernel // 2,) * 4, groups=groups
        )  # fmt: skip

    def batch_norm(self, x: Atom, channels: int) -> GraphVar:
        """Return ``x`` normalised by constant statistics."""
        variance = self.constant(self.rng.uniform(0.5, 2, channels).astype(self.kind), "w")
        return self.call("batch_norm", x, self.weight(channels), self.weight(channels), self.weight(channels), variance)

    def layer_norm(self, x: Atom, width: int) -> GraphVar:
        """Return ``x`` normalised along its last axis."""
        return self.call("layer_norm", x, self.weight(width), self.weight(width))

    def heads(self, x: Atom, shape: tuple[Dim, Dim], heads: int, width: int) -> GraphVar:
        """Return ``[batch, seq, heads * width]`` as ``[batch, heads, seq, width]``."""
        apart = self.call("reshape", x, shape=(*self._dims(shape), heads, width))
        return self.call("transpose", apart, perm=(0, 2, 1, 3))

    def attention(
        self, q: Atom, k: Atom, v: Atom, shape: tuple[Dim, Dim], model: int, mask: Atom | None = None
    ) -> GraphVar:
        """Return scaled dot-product attention of heads, joined again to ``[batch, seq, model]``."""
        extent = q.tensor.dims[3]
        width = int(extent.value) if isinstance(extent, Const) else model
        scores = self.call("matmul", q, self.call("transpose", k, perm=(0, 1, 3, 2)))
        scores = self.call("mul", scores, self.number(width**-0.5))
        scores = scores if mask is None else self.call("add", scores, mask)
        mixed = self.call("matmul", self.call("softmax", scores), v)
        return self.call("reshape", self.call("transpose", mixed, perm=(0, 2, 1, 3)), shape=(*self._dims(shape), model))

    def _dims(self, shape: tuple[Dim, Dim]) -> tuple[Dim, ...]:
        return tuple(self.dim(extent) if isinstance(extent, str) else extent for extent in shape)
