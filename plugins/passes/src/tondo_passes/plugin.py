"""The plugin ``passes``: the standard passes and the default pipeline of CPU targets."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.passes import Pass
from tondo.plugin import PassSpec, Pipeline, PluginInfo, hookimpl
from tondo_passes.graph.absorb_copies import AbsorbCopies
from tondo_passes.graph.alias_views import AliasViews
from tondo_passes.graph.common_subexpressions import CommonSubexpressions
from tondo_passes.graph.dead_code import DeadCode
from tondo_passes.graph.define import Define
from tondo_passes.graph.expand import Expand
from tondo_passes.graph.fold_constants import FoldConstants
from tondo_passes.graph.fold_scale import FoldScale
from tondo_passes.graph.fuse import Fuse
from tondo_passes.graph.fuse_chains import FuseChains
from tondo_passes.graph.fuse_horizontal import FuseHorizontal
from tondo_passes.graph.hoist_scale import HoistScale
from tondo_passes.graph.inline_calls import InlineCalls
from tondo_passes.graph.join import JoinParts
from tondo_passes.graph.layout import Layout
from tondo_passes.graph.minimal_filtering import MinimalFiltering
from tondo_passes.graph.outline_regions import OutlineRegions
from tondo_passes.graph.own_results import OwnResults
from tondo_passes.graph.partition import Partition
from tondo_passes.graph.replace import Replace
from tondo_passes.graph.simplify import SimplifyGraph
from tondo_passes.graph.sink_copies import SinkCopies
from tondo_passes.graph.split_constant_stages import SplitConstantStages
from tondo_passes.host.lower import LowerHost
from tondo_passes.host.plan_memory import PlanMemory
from tondo_passes.tensor import CompactBuffers, Flatten, LiftWorkspace, LowerBlocks, Simplify, Vectorize
from tondo_passes.tensor.bound_sizes import BoundSizes
from tondo_passes.tensor.schedule import ScheduleFunctions

TONDO_PLUGIN = PluginInfo("passes", min_core="0.1")

CPU = Pipeline(
    "cpu",
    tuple(
        PassSpec(name)
        for name in (
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
            "graph.partition",
            "graph.minimal_filtering",
            "graph.fuse_horizontal",
            "graph.layout",
            "graph.fold_constants",
            "graph.common_subexpressions",
            "graph.own_results",
            "graph.hoist_scale",
            "graph.sink_copies",
            "graph.absorb_copies",
            "graph.dead_code",
            "graph.fuse_chains",
            "graph.dead_code",
            "graph.alias_views",
            "graph.fuse",
            "graph.join",
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
    ),
    "any model to native code of a CPU",
)


@hookimpl
def register_passes() -> Sequence[type[Pass]]:
    """Return the standard passes."""
    return [
        AbsorbCopies,
        AliasViews,
        BoundSizes,
        CommonSubexpressions,
        CompactBuffers,
        DeadCode,
        Define,
        Expand,
        Flatten,
        FoldConstants,
        FoldScale,
        Fuse,
        FuseChains,
        FuseHorizontal,
        HoistScale,
        JoinParts,
        InlineCalls,
        Layout,
        LiftWorkspace,
        LowerBlocks,
        LowerHost,
        MinimalFiltering,
        OutlineRegions,
        OwnResults,
        Partition,
        PlanMemory,
        Replace,
        ScheduleFunctions,
        Simplify,
        SimplifyGraph,
        SinkCopies,
        SplitConstantStages,
        Vectorize,
    ]


@hookimpl
def register_pipelines() -> Sequence[Pipeline]:
    """Return the default pipeline of CPU targets."""
    return [CPU]
