"""Collecting extensions: select, load, check, register, ask, merge. Nothing here runs at import.

Every step keeps one plugin's failure to that plugin: it is unregistered, reported with a diagnostic, and the others
go on. Only two things are errors of the whole: an explicitly selected plugin that is not installed, and two
components of one kind with the same name.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType, ModuleType
from typing import Any, Final, cast

import pluggy

from tondo.diagnostics import Diagnostic, TondoError
from tondo.plugin.checks import check_components, check_implementations, implementations
from tondo.plugin.discovery import duplicates, failure, find_candidates, load
from tondo.plugin.extensions import FIELDS, Extensions
from tondo.plugin.hookspecs import REGISTRATION_HOOKS, Hooks
from tondo.plugin.info import PluginReport, printable
from tondo.plugin.markers import PROJECT
from tondo.plugin.selection import BUILTIN_ID, parse_selection
from tondo.support.version import __version__

ADD_HOOKSPECS: Final = "tondo_add_hookspecs"
BUILTIN_MODULE: Final = "tondo.plugin.builtin"


@dataclass(slots=True)
class _Plugin:
    """A loaded module on its way into the extensions."""

    module: ModuleType
    report: PluginReport
    components: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])

    def fail(self, *diagnostics: Diagnostic) -> None:
        self.report = replace(self.report, status="failed", diagnostics=(*self.report.diagnostics, *diagnostics))

    @property
    def alive(self) -> bool:
        return self.report.status == "loaded"


def collect(plugins: str | Iterable[str] | None = None, *, strict: bool = True) -> Extensions:
    """Load the installed plugins and return what they bring.

    Args:
        plugins: which ones: None or ``""`` all, ``"none"``, ``"onnx,llvm"`` only these, ``"-x86"`` all but these.
        strict: raise when two plugins bring components of the same name; otherwise leave these names out and
            return the errors in :attr:`Extensions.clashes`, as a tool that lists plugins wants it.

    Raises:
        TondoError: TND-U005 for a malformed choice, TND-P001 for a chosen plugin that is not installed, TND-P002
            for a clash of names.
    """
    loaded, others = _load_selected(plugins)
    core = PluginReport(BUILTIN_ID, "tondo-core", __version__, "loaded")
    alive = [_Plugin(importlib.import_module(BUILTIN_MODULE), core), *loaded]
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    hooks = (*REGISTRATION_HOOKS, *_add_foreign_hookspecs(manager, alive))
    _register(manager, alive)
    for plugin in alive:
        if plugin.alive:
            _ask(manager, plugin, hooks)
    extensions = _merge(alive, others)
    if strict and extensions.clashes:
        raise TondoError(*extensions.clashes)
    return extensions


def _load_selected(plugins: str | Iterable[str] | None) -> tuple[list[_Plugin], list[PluginReport]]:
    """Return the loaded plugins, and reports about those that are not loaded."""
    selection = parse_selection(plugins)
    candidates = find_candidates()
    selection.check(candidate.id for candidate in candidates)
    twice = duplicates(candidates, frozenset({BUILTIN_ID}))
    loaded: list[_Plugin] = []
    reports: list[PluginReport] = []
    for candidate in candidates:
        if not selection.allows(candidate.id):
            reports.append(candidate.report("blocked"))
        elif candidate.id in twice:
            reports.append(candidate.report("failed", twice[candidate.id]))
        else:
            result = load(candidate)
            if isinstance(result, PluginReport):
                reports.append(result)
            else:
                loaded.append(_Plugin(result, candidate.report("loaded")))
    return loaded, reports


def _add_foreign_hookspecs(manager: pluggy.PluginManager, plugins: list[_Plugin]) -> list[str]:
    """Let plugins declare their own hooks; return the names of these hooks."""
    for plugin in plugins:
        problems = list(check_implementations(manager, plugin.module))
        if problems:
            plugin.fail(*problems)
            continue
        add = implementations(manager, plugin.module).get(ADD_HOOKSPECS)
        if add is None:
            continue
        try:
            add(manager)
        except Exception as error:  # noqa: BLE001  whatever a plugin raises is that plugin's failure
            plugin.fail(failure(f"{ADD_HOOKSPECS} failed", error))
    return sorted(
        name
        for name in vars(manager.hook)
        if name not in {*REGISTRATION_HOOKS, ADD_HOOKSPECS} and not name.startswith("_")
    )


def _register(manager: pluggy.PluginManager, plugins: list[_Plugin]) -> None:
    for plugin in plugins:
        if not plugin.alive:
            continue
        try:
            manager.register(plugin.module, name=plugin.report.id)
        except (pluggy.PluginValidationError, ValueError) as error:
            plugin.fail(failure("the plugin was refused", error, "TND-P004"))
            # pluggy before 1.7 keeps a plugin that it refused
            if manager.has_plugin(plugin.report.id):
                manager.unregister(name=plugin.report.id)
    by_module = {id(plugin.module): plugin for plugin in plugins}
    while True:
        try:
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            plugin = by_module[id(error.plugin)]
            plugin.fail(failure("the plugin implements a hook that does not exist", error, "TND-P004"))
            manager.unregister(plugin.module)
        else:
            return


def _ask(manager: pluggy.PluginManager, plugin: _Plugin, hooks: Iterable[str]) -> None:
    """Call every registration hook of one plugin and keep its components, or fail the plugin as a whole."""
    everyone = cast("set[ModuleType]", manager.get_plugins())
    rest = [module for module in everyone if module is not plugin.module]
    for hook in hooks:
        caller = manager.subset_hook_caller(hook, rest)
        if not any(implementation.plugin is plugin.module for implementation in caller.get_hookimpls()):
            continue
        try:
            results = cast("list[Any]", caller())
        except Exception as error:  # noqa: BLE001  whatever a plugin raises is that plugin's failure
            plugin.fail(failure(f"{hook} failed", error))
            continue
        for returned in results:
            components, problems = check_components(hook, returned)
            plugin.components[hook] = components
            if problems:
                plugin.fail(*problems)
    if not plugin.alive:
        plugin.components.clear()
        return
    provides = tuple((hook, tuple(names)) for hook, names in plugin.components.items())
    plugin.report = replace(plugin.report, provides=provides)


def _merge(plugins: list[_Plugin], others: list[PluginReport]) -> Extensions:
    merged: dict[str, dict[str, object]] = {}
    owners: dict[tuple[str, str], list[str]] = {}
    for plugin in plugins:
        for hook, components in plugin.components.items():
            for name, component in components.items():
                merged.setdefault(hook, {})[name] = component
                owners.setdefault((hook, name), []).append(plugin.report.origin)
    clashes: list[Diagnostic] = []
    for (hook, name), origins in owners.items():
        if len(origins) > 1:
            del merged[hook][name]
            clashes.append(
                Diagnostic(
                    "TND-P002",
                    f"{hook}: '{printable(name)}' is brought by {' and '.join(origins)}",
                    help=f"leave one of them out, for example with TONDO_PLUGINS=-{_last_id(plugins, hook, name)}",
                )
            )
    fields: dict[str, Any] = {FIELDS[hook]: _frozen(names) for hook, names in merged.items() if hook in FIELDS}
    foreign = {hook: _frozen(names) for hook, names in merged.items() if hook not in FIELDS}
    reports = sorted((*(plugin.report for plugin in plugins[1:]), *others), key=lambda report: report.id)
    return Extensions(
        **fields,
        others=MappingProxyType(foreign),
        plugins=(plugins[0].report, *reports),
        clashes=tuple(clashes),
    )


def _last_id(plugins: list[_Plugin], hook: str, name: str) -> str:
    return [plugin.report.id for plugin in plugins if name in plugin.components.get(hook, {})][-1]


def _frozen(components: dict[str, object]) -> Mapping[str, object]:
    return MappingProxyType(dict(sorted(components.items())))
