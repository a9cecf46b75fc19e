"""The plugin ``npu``: everything that the accelerator brings to the compiler."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.passes import Library, ScheduleRule
from tondo.plugin import Codegen, Pipeline, PluginInfo, hookimpl
from tondo.target import Instruction, TargetProvider
from tondo_npu.codegen import HostCodegen
from tondo_npu.intrinsics import INTRINSICS
from tondo_npu.library import NpuLibrary
from tondo_npu.pipeline import PIPELINE
from tondo_npu.provider import NpuTargets
from tondo_npu.rule import ProductRule

TONDO_PLUGIN = PluginInfo("Example accelerator", api=1, min_core="0.1")


@hookimpl
def register_targets() -> Sequence[TargetProvider]:
    """Return the provider of targets with the accelerator."""
    return [NpuTargets()]


@hookimpl
def register_intrinsics() -> Sequence[Instruction]:
    """Return the instructions of the array and of the DMA engine."""
    return INTRINSICS


@hookimpl
def register_schedule_rules() -> Sequence[ScheduleRule]:
    """Return the rule for products."""
    return [ProductRule()]


@hookimpl
def register_libraries() -> Sequence[Library]:
    """Return the accelerator as a library of products."""
    return [NpuLibrary()]


@hookimpl
def register_codegens() -> Sequence[Codegen]:
    """Return the code generator of the host."""
    return [HostCodegen()]


@hookimpl
def register_pipelines() -> Sequence[Pipeline]:
    """Return the default pipeline of targets with the accelerator."""
    return [PIPELINE]
