"""Cases of one plugin as it is installed."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

from tondo.plugin import PLUGIN_API, PluginInfo, PluginReport, collect
from tondo.plugin.extensions import FIELDS
from tondo_conformance.backend import Backend
from tondo_conformance.case import Case, case
from tondo_conformance.entry import entries_of, entry_of
from tondo_conformance.facts import judged
from tondo_conformance.load.probe import COLLECT, IMPORT, ONLY_TONDO, RUN_WITHOUT, ask, asked
from tondo_conformance.outcome import Skip, mismatch

IMPORT_SECONDS: Final = 0.5
"""Processor time that the import of a plugin's module may take, the plugin host not counted."""

HEAVY: Final = frozenset(
    {
        "IPython", "cupy", "jax", "llvmlite", "matplotlib", "networkx", "onnx", "onnxruntime", "openvino", "pandas",
        "pyarrow", "scipy", "sklearn", "sympy", "tensorflow", "torch", "triton", "tvm", "typer", "rich",
    }
)  # fmt: skip
"""Packages that belong inside the methods of components, never at the top of a plugin's module."""

_ID = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*")
_VERSION = re.compile(r"(\d+!)?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9.]+)?")
_CORE = "core"
_TEXTS = ("doc", "help", "description")

_RELU = """
MODULE = Module(attrs={})


@graph_function(attrs={'output_names': ('y',)})
def main(x: Tensor((2, 3), "float32")):
    y: Tensor((2, 3), "float32") = call_dps('double', x)
    return (y,)


@tensor_function
def double(x: Buffer((2, 3), "float32"), y: Buffer((2, 3), "float32")):
    for i in serial(0, 2):
        for j in serial(0, 3):
            with block("y"):
                row = spatial(2, i)
                column = spatial(3, j)
                reads(x[row, column])
                writes(y[row, column])
                y[row, column] = x[row, column] + x[row, column]
"""
_DOUBLED = [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0]]


def cases() -> Iterator[Case]:
    """Yield every case."""
    for name, work in (
        ("entry-point", _entry_point),
        ("metadata", _metadata),
        ("handshake", _handshake),
        ("loaded", _loaded),
        ("import-cost", _import_cost),
        ("collect-cost", _collect_cost),
        ("core-alone", _core_alone),
        ("leaves-no-files", _no_files),
    ):
        yield case("L0", "plugin", name, work)
    for name, work in (("documented", _documented), ("no-clashes", _no_clashes), ("again", _again)):
        yield case("L0", "components", name, work)
    yield case("L0", "removal", "others-stay", _others_stay)
    yield case("L0", "removal", "others-work", _others_work)


def _report(backend: Backend) -> PluginReport:
    name = judged(backend)
    found = next((report for report in backend.extensions.plugins if report.id == name), None)
    return found or mismatch(f"no plugin '{name}' is installed; there are {', '.join(backend.extensions.versions())}")


def _installed(backend: Backend) -> str:
    """Return the id of the plugin under test, which is not the core itself."""
    name = judged(backend)
    if name == _CORE:
        raise Skip("the core's own plugin has no entry point")
    return name


def _entry_point(backend: Backend) -> None:
    """There is one entry point of this id; it names a module."""
    name = _installed(backend)
    found = entries_of(name)
    if len(found) != 1:
        mismatch(f"{len(found)} entry points are called '{name}'")
    if found[0].attr:
        mismatch(f"the entry point names '{found[0].value}', an attribute, not a module")
    if _ID.fullmatch(name) is None:
        mismatch(f"'{name}' is no plugin id: lower-case letters, digits and single '.', '_' or '-'")


def _metadata(backend: Backend) -> None:
    """The distribution says its version, what it is, which Python it needs, and that it needs the core."""
    _installed(backend)
    distribution = importlib.metadata.distribution(_report(backend).distribution)
    fields = cast("dict[str, str]", distribution.metadata)
    if _VERSION.fullmatch(distribution.version) is None:
        mismatch(f"'{distribution.version}' is no version as Python packages have them")
    for field in ("Summary", "Requires-Python"):
        if not fields.get(field):
            mismatch(f"the metadata have no {field}")
    needs = [re.split(r"[\s<>=!~;(\[]", entry, maxsplit=1)[0] for entry in distribution.requires or ()]
    if not any(re.sub(r"[-_.]+", "-", name).lower().startswith("tondo") for name in needs):
        mismatch(f"it declares no dependency on tondo-core: {', '.join(needs) or 'nothing'}")


def _handshake(backend: Backend) -> None:
    """TONDO_PLUGIN names the plugin, the interface it was written for, and the oldest core it works with."""
    entry = entry_of(_installed(backend))
    if entry is None:
        mismatch("there is no entry point")
    info: object = getattr(importlib.import_module(entry.module), "TONDO_PLUGIN", None)
    if not isinstance(info, PluginInfo):
        mismatch("the module has no TONDO_PLUGIN = PluginInfo(...)")
    if not info.name.strip() or not info.name.isprintable():
        mismatch(f"the name {info.name!r} tells a person nothing")
    if not 1 <= info.api <= PLUGIN_API:
        mismatch(f"it was written for plugin interface {info.api}, this is {PLUGIN_API}")
    if re.fullmatch(r"\d+(\.\d+)*", info.min_core) is None:
        mismatch(f"min_core is {info.min_core!r}, not a version")


def _loaded(backend: Backend) -> None:
    """The host loads it without a complaint, and it brings something."""
    report = _report(backend)
    if report.status != "loaded" or report.diagnostics:
        told = "; ".join(entry.render() for entry in report.diagnostics)
        mismatch(f"its status is '{report.status}': {told}")
    if not any(names for _, names in report.provides):
        mismatch("it brings no component")


def _import_cost(backend: Backend) -> dict[str, float]:
    """Importing its module takes little time and imports no heavy package."""
    entry = entry_of(_installed(backend))
    if entry is None:
        mismatch("there is no entry point")
    # The best of three: the first may compile byte code.
    best = min((asked(IMPORT, entry.module) for _ in range(3)), key=lambda found: cast("float", found["seconds"]))
    return _cheap(best, f"importing '{entry.module}'", IMPORT_SECONDS)


def _collect_cost(backend: Backend) -> dict[str, float]:
    """Asking it for its components, alone, imports no heavy package: hooks return objects and do no work."""
    name = _installed(backend)
    best = min((asked(COLLECT, name) for _ in range(2)), key=lambda found: cast("float", found["seconds"]))
    if best["problems"]:
        mismatch(f"alone it does not load: {best['problems']}")
    return _cheap(best, "collecting", 4 * IMPORT_SECONDS)


def _cheap(found: dict[str, object], what: str, limit: float) -> dict[str, float]:
    heavy = sorted(HEAVY.intersection(cast("list[str]", found["modules"])))
    if heavy:
        mismatch(f"{what} imports {', '.join(heavy)}")
    seconds = cast("float", found["seconds"])
    if seconds > limit:
        mismatch(f"{what} takes {seconds:.2f} s, more than {limit:g} s")
    return {"seconds": round(seconds, 3)}


def _core_alone(backend: Backend) -> None:
    """``import tondo`` imports nothing of it."""
    entry = entry_of(_installed(backend))
    if entry is None:
        mismatch("there is no entry point")
    package = entry.module.partition(".")[0]
    if package != "tondo" and package in cast("list[str]", ask(ONLY_TONDO)):
        mismatch(f"import tondo imports '{package}'")


def _no_files(backend: Backend) -> None:
    """Loading it writes nothing into the working directory or the user's home."""
    name = _installed(backend)
    with tempfile.TemporaryDirectory() as folder:
        asked(COLLECT, name, folder=Path(folder))
        left = sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))
        if left:
            mismatch(f"it wrote {', '.join(left[:5])}")


def _components(backend: Backend) -> Iterator[tuple[str, object]]:
    for hook, names in _report(backend).provides:
        field = FIELDS.get(hook)
        known = getattr(backend.extensions, field) if field else backend.extensions.others.get(hook, {})
        for name in names:
            if name in known:
                yield f"{hook}: {name}", known[name]


def _documented(backend: Backend) -> None:
    """Every component says what it is: in a docstring, or in the text that its kind has for it."""
    silent: list[str] = []
    for name, component in _components(backend):
        kind = component if isinstance(component, type) else type(component)
        texts = [getattr(component, field, "") for field in _TEXTS]
        if kind.__module__.partition(".")[0] != "tondo":
            texts.append(kind.__doc__ or "")
        elif not any(hasattr(component, field) for field in _TEXTS):
            continue  # a declaration of the core's own kind without a place for a text: it is its own description
        if not any(isinstance(text, str) and text.strip() for text in texts):
            silent.append(name)
    if silent:
        mismatch(f"{len(silent)} components without a description: {', '.join(silent[:8])}")


def _no_clashes(backend: Backend) -> None:
    """No component has the name of one that another plugin brings."""
    told = [entry.message for entry in backend.extensions.clashes]
    if told:
        mismatch("; ".join(told))


def _again(backend: Backend) -> None:
    """Asked a second time, it brings components of the same names."""
    before = _report(backend).provides
    after = next(entry for entry in collect("", strict=False).plugins if entry.id == _report(backend).id).provides
    if dict(before) != dict(after):
        mismatch("it brings other components the second time")


def _others_stay(backend: Backend) -> None:
    """Without it every other plugin loads as before."""
    name = _installed(backend)
    found = asked(COLLECT, f"-{name}")
    before = {report.id: report.status for report in backend.extensions.plugins}
    after = cast("dict[str, str]", found["plugins"])
    if after.get(name) != "blocked":
        mismatch(f"left out, its status is '{after.get(name)}'")
    changed = {key: status for key, status in after.items() if key != name and status != before.get(key)}
    if changed or found["clashes"]:
        mismatch(f"others change: {changed}, clashes: {found['clashes']}")


def _others_work(backend: Backend) -> None:
    """Without it a small module still runs in the interpreter, and natively or with a coded reason why not."""
    found = asked(RUN_WITHOUT, f"-{_installed(backend)}", _RELU)
    if found["interp"] != _DOUBLED:
        mismatch(f"the interpreter answers {found['interp']} instead of {_DOUBLED}")
    native = found["native"]
    if native != _DOUBLED and not (isinstance(native, str) and not native.startswith("TND-Z")):
        mismatch(f"the native target answers {native} instead of {_DOUBLED}")
