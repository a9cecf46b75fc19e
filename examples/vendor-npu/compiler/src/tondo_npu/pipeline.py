"""The default pipeline of targets with the accelerator.

That of CPUs, except for what only makes sense there: products stay products (no transformed convolutions, no chains of
products that keep their values in registers), and after fusion, when everything element by element that follows a
product is part of it, ``graph.partition`` gives to the accelerator what it can compute.
"""

from __future__ import annotations

from typing import Final

from tondo.plugin import PassSpec, Pipeline
from tondo_npu.machine import KIND

_GRAPH: Final = (
    "graph.expand",
    "graph.inline_calls",
    "graph.fold_constants",
    "graph.common_subexpressions",
    "graph.dead_code",
    "graph.outline_regions",
    "graph.define",
    "graph.simplify",
    "graph.split_constant_stages",
    "graph.fold_constants",
    "graph.fold_scale",
    "graph.layout",
    "graph.fold_constants",
    "graph.common_subexpressions",
    "graph.own_results",
    "graph.hoist_scale",
    "graph.sink_copies",
    "graph.absorb_copies",
    "graph.dead_code",
    "graph.alias_views",
    "graph.fuse",
    "graph.join",
    "graph.dead_code",
)
_LOWERING: Final = (
    "graph.dead_code",
    "tensor.bound_sizes",
    "tensor.schedule",
    "tensor.lower_blocks",
    "tensor.simplify",
    "tensor.compact_buffers",
    "tensor.lift_workspace",
    "tensor.flatten",
    "tensor.vectorize",
    "tensor.simplify",
    "host.plan_memory",
    "host.lower",
)

PIPELINE: Final = Pipeline(
    KIND,
    (
        *(PassSpec(name) for name in _GRAPH),
        PassSpec.of("graph.partition", libraries={KIND: "prefer"}),
        *(PassSpec(name) for name in _LOWERING),
    ),
    "any model to kernels of the accelerator, and native code of the host's CPU for the rest",
)
