"""What is installed: a table of plugins, and everything about one of them."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Iterator, Mapping, Sequence

from tondo.diagnostics import Diagnostic, fail, suggest
from tondo.ir import Store, walk
from tondo.plugin import Extensions, PluginReport, collect
from tondo.script import script
from tondo.target import Intrinsic, IntrinsicFamily
from tondo_cli.output import Output
from tondo_cli.text import table


def list_all(chosen: str, out: Output) -> None:
    """Print the installed plugins, loaded or not."""
    extensions = collect(chosen, strict=False)
    value = {
        "plugins": [_value(report) for report in extensions.plugins],
        "clashes": [_brief(found) for found in extensions.clashes],
    }
    lines = list(_lines(extensions.plugins))
    lines += [f"command of a plugin: tondo {command.name}  {command.help}" for command in extensions.commands.values()]
    lines += [found.render() for found in extensions.clashes]
    out.result(value, lines)


def describe(plugin: str, chosen: str, out: Output) -> None:
    """Print everything about the plugin with the id ``plugin``."""
    extensions = collect(chosen, strict=False)
    report = find_report(extensions, plugin)
    components = {
        hook: {name: sentence_about(component(extensions, hook, name)) for name in names}
        for hook, names in report.provides
    }
    requires = _requires(report.distribution)
    lines = [f"{report.id}: {report.distribution} {report.version}, {report.status}"]
    lines += [f"needs {', '.join(requires)}"] if requires else []
    for hook, found in components.items():
        lines += ["", _kind(hook)]
        lines += [f"  {name}  {sentence}".rstrip() for name, sentence in found.items()]
    for diagnostic in report.diagnostics:
        lines += ["", diagnostic.render()]
    out.result({**_value(report), "provides": components, "requires": requires}, lines)


def find_report(extensions: Extensions, plugin: str) -> PluginReport:
    """Return the report about the plugin with the id ``plugin``.

    Raises:
        TondoError: TND-P001 if there is none.
    """
    for report in extensions.plugins:
        if report.id == plugin:
            return report
    known = [report.id for report in extensions.plugins]
    return fail("TND-P001", f"no plugin is called {plugin!a}", help=suggest(plugin, known) or "'tondo plugin list'")


def component(extensions: Extensions, hook: str, name: str) -> object:
    """Return the component ``name`` that was brought for ``hook``; None if a clash of names keeps it out."""
    kinds: Mapping[str, Mapping[str, object]] = {**extensions.by_hook(), **extensions.others}
    return kinds.get(hook, {}).get(name)


def sentence_about(found: object) -> str:
    """Return the first sentence of what ``found`` says about itself, empty if it says nothing."""
    if isinstance(found, Intrinsic):
        return _computation(found)
    if isinstance(found, IntrinsicFamily):
        return f"family of '{found.pattern}'"
    for attribute in ("doc", "description", "help"):
        text: object = getattr(found, attribute, None)
        if isinstance(text, str) and text:
            return text.strip().splitlines()[0]
    kind = found if inspect.isclass(found) or inspect.isroutine(found) else type(found)
    text = vars(kind).get("__doc__") if inspect.isclass(kind) else kind.__doc__
    return text.strip().splitlines()[0] if isinstance(text, str) and text.strip() else ""


def _computation(intrinsic: Intrinsic) -> str:
    """Return what one element of the instruction's result is."""
    stores = [item for item in walk(intrinsic.semantics.body) if isinstance(item, Store)]
    places = [f"{store.buffer.name}[{', '.join(map(script, store.indices))}]" for store in stores]
    texts = [f"{place} = {script(store.value)}" for place, store in zip(places, stores, strict=True)]
    shapes = ", ".join(f"{each.name} {' x '.join(map(str, each.shape))} {each.dtype}" for each in intrinsic.operands)
    return f"{'; '.join(texts)}  ({shapes})"


def _requires(distribution: str) -> list[str]:
    try:
        found = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [requirement for requirement in found if "extra ==" not in requirement]


def _value(report: PluginReport) -> dict[str, object]:
    return {
        "id": report.id,
        "distribution": report.distribution,
        "version": report.version,
        "status": report.status,
        "provides": {hook: list(names) for hook, names in report.provides},
        "diagnostics": [_brief(found) for found in report.diagnostics],
    }


def _brief(found: Diagnostic) -> str:
    return f"{found.code}: {found.message}"


def _lines(reports: Sequence[PluginReport]) -> Iterator[str]:
    rows = [(report.id, report.distribution, report.version, report.status, _brings(report)) for report in reports]
    yield from table(rows, ("id", "package", "version", "status", "brings"))
    for report in reports:
        for diagnostic in report.diagnostics:
            yield from ("", diagnostic.render())


def _brings(report: PluginReport) -> str:
    counts = ((_kind(hook), len(names)) for hook, names in report.provides)
    return ", ".join(f"{count} {kind}" for kind, count in counts if count)


def _kind(hook: str) -> str:
    return hook.removeprefix("register_").replace("_", " ")
