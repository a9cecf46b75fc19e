"""The plugin host: hooks, the interfaces of what plugins bring, and the value that collects it all.

A package adds something to Tondo through the entry-point group ``tondo.plugins``; see
:mod:`tondo.plugin.hookspecs`. :func:`collect` is called by the driver and the command line only.
"""

from __future__ import annotations

from tondo.passes.base import Pass
from tondo.passes.kernel_compiler import KernelCompiler
from tondo.passes.library import Library, LibraryCode, Offer
from tondo.passes.rule import Choice, Miss, RuleContext, ScheduleRule
from tondo.plugin.extensions import Extensions
from tondo.plugin.hookspecs import REGISTRATION_HOOKS, Hooks, HookspecRegistry
from tondo.plugin.info import ENTRY_POINT_GROUP, PLUGIN_API, PluginInfo, PluginReport
from tondo.plugin.interfaces import (
    Codegen,
    CodegenContext,
    Command,
    CompiledCode,
    Frontend,
    Linker,
    LoadOptions,
    ObjectCode,
    OperatorUse,
    Option,
    PassSpec,
    Pipeline,
    SourceDigest,
    SourceSurvey,
)
from tondo.plugin.lock import Lock, LockedPlugin, check_lock, lock_of, read_lock
from tondo.plugin.manager import collect
from tondo.plugin.markers import hookimpl, hookspec

__all__ = [
    "ENTRY_POINT_GROUP",
    "PLUGIN_API",
    "REGISTRATION_HOOKS",
    "Choice",
    "Codegen",
    "CodegenContext",
    "Command",
    "CompiledCode",
    "Extensions",
    "Frontend",
    "Hooks",
    "HookspecRegistry",
    "KernelCompiler",
    "Library",
    "LibraryCode",
    "Linker",
    "LoadOptions",
    "Lock",
    "LockedPlugin",
    "Miss",
    "ObjectCode",
    "Offer",
    "OperatorUse",
    "Option",
    "Pass",
    "PassSpec",
    "Pipeline",
    "PluginInfo",
    "PluginReport",
    "RuleContext",
    "ScheduleRule",
    "SourceDigest",
    "SourceSurvey",
    "check_lock",
    "collect",
    "hookimpl",
    "hookspec",
    "lock_of",
    "read_lock",
]
