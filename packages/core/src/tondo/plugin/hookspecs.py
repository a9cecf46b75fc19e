"""The hooks of the core: how a package adds something to Tondo.

A plugin is a module named by an entry point of the group ``tondo.plugins``; the name of the entry point is the
plugin's id. The module holds the constant ``TONDO_PLUGIN`` (a :class:`~tondo.plugin.PluginInfo`) and functions
marked with :data:`~tondo.plugin.hookimpl`::

    # pyproject.toml
    [project.entry-points."tondo.plugins"]
    npu = "tondo_npu.plugin"

    # tondo_npu/plugin.py
    from tondo.plugin import PluginInfo, hookimpl

    TONDO_PLUGIN = PluginInfo("NPU back end", api=1, min_core="0.1")

    @hookimpl
    def register_targets():
        return [NpuTargets()]

All hooks are called once, when extensions are collected, plugin by plugin in the order of their ids. A hook returns
objects, never does work: the module must be light to import, heavy imports belong inside the methods of the objects.
An implementation takes exactly the parameters of the specification, without defaults, and is not a wrapper. Two
components of one kind with the same name are an error that names both packages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from tondo.passes.base import Pass
from tondo.passes.library import Library
from tondo.passes.rule import ScheduleRule
from tondo.plugin.interfaces import Codegen, Command, Frontend, Pipeline
from tondo.plugin.markers import hookspec
from tondo.target.intrinsic import Instruction
from tondo.target.provider import TargetProvider

if TYPE_CHECKING:
    from tondo.ir import Operator


class HookspecRegistry(Protocol):
    """Takes hook specifications of other packages; see :meth:`Hooks.tondo_add_hookspecs`."""

    def add_hookspecs(self, module_or_class: object) -> None:
        """Add every method of ``module_or_class`` that is marked with :data:`~tondo.plugin.hookspec`."""
        ...


class Hooks(Protocol):
    """One method per hook. Each is optional for a plugin."""

    @hookspec
    def tondo_add_hookspecs(self, registry: HookspecRegistry) -> None:
        """Declare hooks of the plugin's own.

        Called before any other hook of any plugin, so that other plugins may implement the new hooks. Each new hook
        takes no parameters and returns a sequence of objects with a ``name``; they are found in
        :attr:`~tondo.plugin.Extensions.others` under the name of the hook.

        Example:
            ``registry.add_hookspecs(TunerHooks)``
        """
        ...

    @hookspec
    def register_frontends(self) -> Sequence[Frontend]:
        """Return readers of model formats.

        The driver asks each frontend, in the order of names, whether it claims a source; exactly one must.

        Example:
            ``return [OnnxFrontend()]``
        """
        ...

    @hookspec
    def register_ops(self) -> Sequence[Operator]:
        """Return operators of the graph level, each with its type rule and its tensor definition.

        Frontends call operators by name; the pass that defines operators takes the definition from here.

        Example:
            ``return list(tondo_ops.OPERATORS.values())``
        """
        ...

    @hookspec
    def register_passes(self) -> Sequence[type[Pass]]:
        """Return pass classes: frozen dataclasses whose fields are the options and whose ``name`` is dotted.

        Pipeline files name a pass by ``name`` and set its fields.

        Example:
            ``return [FoldConstants, Fuse]``
        """
        ...

    @hookspec
    def register_pipelines(self) -> Sequence[Pipeline]:
        """Return named lists of passes; the pipeline named like a target's kind is that kind's default.

        Example:
            ``return [Pipeline("npu", (PassSpec("graph.fold_constants"), PassSpec.of("npu.place", cores=4)))]``
        """
        ...

    @hookspec
    def register_targets(self) -> Sequence[TargetProvider]:
        """Return providers of targets: names, detection of the host, facts.

        Example:
            ``return [X86Cpus()]``
        """
        ...

    @hookspec
    def register_intrinsics(self) -> Sequence[Instruction]:
        """Return declarations of instructions: what they compute, what they need, how they are emitted.

        Only those whose features the target has are offered to schedule rules.

        Example:
            ``return [fused_multiply_add(lanes) for lanes in (4, 8, 16)]``
        """
        ...

    @hookspec
    def register_schedule_rules(self) -> Sequence[ScheduleRule]:
        """Return rules that schedule tensor functions of a structure which they recognise.

        Example:
            ``return [Contraction(), Reduction(), Elementwise()]``
        """
        ...

    @hookspec
    def register_codegens(self) -> Sequence[Codegen]:
        """Return code generators.

        A pipeline names one with ``codegen: {use: NAME}``; without, the only one that supports the target is taken.

        Example:
            ``return [LlvmCodegen()]``
        """
        ...

    @hookspec
    def register_libraries(self) -> Sequence[Library]:
        """Return libraries of external kernels that may replace tensor functions they match.

        Example:
            ``return [OpenBlas()]``
        """
        ...

    @hookspec
    def register_commands(self) -> Sequence[Command]:
        """Return commands of the command line, by the place of their factory.

        The factory is imported when the command runs and returns a typer application.

        Example:
            ``return [Command("tune", "tondo_tuner.command:app", "search for better schedules")]``
        """
        ...


REGISTRATION_HOOKS = (
    "register_frontends",
    "register_ops",
    "register_passes",
    "register_pipelines",
    "register_targets",
    "register_intrinsics",
    "register_schedule_rules",
    "register_codegens",
    "register_libraries",
    "register_commands",
)
"""Hooks of the core whose results become fields of :class:`~tondo.plugin.Extensions`."""
