"""Everything that plugins brought, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import cast

from tondo.diagnostics import Diagnostic
from tondo.ir import Operator
from tondo.passes.base import Pass
from tondo.passes.library import Library
from tondo.passes.rule import ScheduleRule
from tondo.plugin.info import PluginReport
from tondo.plugin.interfaces import Codegen, Command, Frontend, Pipeline
from tondo.target.intrinsic import Instruction
from tondo.target.provider import TargetProvider


@dataclass(frozen=True, slots=True)
class Extensions:
    """Components by kind and name, and the reports about the plugins they come from.

    The compiler takes it as an argument; passes, schedules and code generators receive the parts they need as plain
    data and never see a plugin manager. :func:`tondo.plugin.collect` makes it; tests may build one by hand.

    Attributes:
        others: components of hooks that packages declared themselves, by hook, then by name.
        plugins: reports in the order of plugin ids, the core first.
    """

    frontends: Mapping[str, Frontend] = field(default_factory=dict[str, Frontend])
    operators: Mapping[str, Operator] = field(default_factory=dict[str, Operator])
    passes: Mapping[str, type[Pass]] = field(default_factory=dict[str, type[Pass]])
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict[str, Pipeline])
    targets: Mapping[str, TargetProvider] = field(default_factory=dict[str, TargetProvider])
    intrinsics: Mapping[str, Instruction] = field(default_factory=dict[str, Instruction])
    schedule_rules: Mapping[str, ScheduleRule] = field(default_factory=dict[str, ScheduleRule])
    codegens: Mapping[str, Codegen] = field(default_factory=dict[str, Codegen])
    libraries: Mapping[str, Library] = field(default_factory=dict[str, Library])
    commands: Mapping[str, Command] = field(default_factory=dict[str, Command])
    others: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])
    plugins: tuple[PluginReport, ...] = ()
    clashes: tuple[Diagnostic, ...] = ()

    def by_hook(self) -> dict[str, Mapping[str, object]]:
        """Return the components of the core's hooks, by hook, then by name."""
        return {hook: cast("Mapping[str, object]", getattr(self, name)) for hook, name in FIELDS.items()}

    def versions(self) -> dict[str, str]:
        """Return the versions of the loaded plugins by id, as they enter manifests and cache keys."""
        return {report.id: report.version for report in self.plugins if report.status == "loaded"}


FIELDS = MappingProxyType(
    {
        "register_frontends": "frontends",
        "register_ops": "operators",
        "register_passes": "passes",
        "register_pipelines": "pipelines",
        "register_targets": "targets",
        "register_intrinsics": "intrinsics",
        "register_schedule_rules": "schedule_rules",
        "register_codegens": "codegens",
        "register_libraries": "libraries",
        "register_commands": "commands",
    }
)
"""Field of :class:`Extensions` by registration hook."""
