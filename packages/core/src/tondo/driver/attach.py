"""Operators without a package: from Python files and from Python itself, for one compilation.

A file is Python and is run, so only what the user names is opened: on the command line, in a pipeline file (relative
to it), or as an argument. Nothing in a model can name one. Of a file are taken its operators (:func:`tondo.operator`,
or an :class:`~tondo.ir.Operator` made otherwise), schedule rules and declared instructions.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Final

from tondo.diagnostics import Diagnostic, TondoError, fail, suggest
from tondo.ir import Operator
from tondo.passes import ScheduleRule
from tondo.plugin import Extensions
from tondo.target import Intrinsic, IntrinsicFamily

Component = Operator | ScheduleRule | Intrinsic | IntrinsicFamily
OperatorsLike = str | Path | Component
"""What can be attached: ``"my_ops.py"``, ``"my_ops.py:gate"`` for one of its names, or the component itself."""

_FIELDS: Final[tuple[tuple[str, tuple[type, ...]], ...]] = (
    ("operators", (Operator,)),
    ("schedule_rules", (ScheduleRule,)),
    ("intrinsics", (Intrinsic, IntrinsicFamily)),
)


@dataclass(frozen=True, slots=True)
class Attached:
    """Extensions with what was attached to them.

    Attributes:
        extensions: what plugins brought and what was attached.
        digests: of what was attached, by where it comes from; these decide about cached results.
        known: whether the digests tell everything: otherwise results must not be taken from the cache.
    """

    extensions: Extensions
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    known: bool = True


def attach(extensions: Extensions, items: Sequence[OperatorsLike], folder: Path | None = None) -> Attached:
    """Return ``extensions`` with the components of ``items``; files are relative to ``folder``.

    Raises:
        TondoError: TND-U006 for a file that is not there, TND-C006 for one that fails or holds nothing of use,
            TND-P002 for a name that exists already, and what the decorators of its functions raise.
    """
    merged: dict[str, dict[str, object]] = {name: dict(getattr(extensions, name)) for name, _ in _FIELDS}
    digests: dict[str, str] = {}
    known = True
    for item in items:
        if isinstance(item, str | Path):
            place, digest, components = _of_file(str(item), folder)
            digests[place] = digest
        else:
            place, components = "the argument 'ops'", (item,)
            digest = item.digest if isinstance(item, Operator) else ""
            known = known and digest != ""
            digests[f"{_field(item)}: {item.name}"] = digest
        for component in components:
            _add(merged, component, place)
    frozen = {name: MappingProxyType(dict(sorted(found.items()))) for name, found in merged.items()}
    return Attached(replace(extensions, **frozen) if items else extensions, digests, known)


def _field(component: object) -> str:
    for name, kinds in _FIELDS:
        if isinstance(component, kinds) and not isinstance(component, type):
            return name
    return ""


def _add(merged: Mapping[str, dict[str, object]], component: Component, place: str) -> None:
    kind = _field(component)
    if not kind:
        fail("TND-U005", f"{place} holds a {type(component).__name__}", help="operators are made by @tondo.operator")
    known = merged[kind]
    if known.get(component.name) is component:
        return
    if component.name in known:
        fail(
            "TND-P002",
            f"{place}: '{component.name}' exists already among the {kind.replace('_', ' ')}",
            help="give it a name of its own, such as @tondo.operator(name='com.acme.gate')",
        )
    known[component.name] = component


def _of_file(text: str, folder: Path | None) -> tuple[str, str, tuple[Component, ...]]:
    """Return where components come from, the digest of the file, and the components."""
    name, attribute = _parted(text)
    path = (folder or Path()) / name
    try:
        data = path.read_bytes()
    except OSError as error:
        fail("TND-U006", f"the file of operators {path} cannot be read", notes=[error.strerror or str(error)])
    digest = hashlib.sha256(data).hexdigest()
    found = [(label, value) for label, value in vars(_module(path, data, digest)).items() if _field(value)]
    if not found:
        fail("TND-C006", f"{path} holds no operator", help="decorate a function with @tondo.operator")
    if not attribute:
        return name, digest, tuple(component for _, component in found)
    for label, component in found:
        if label == attribute:
            return text, digest, (component,)
    labels = [label for label, _ in found]
    return fail(
        "TND-C006",
        f"{path} has no operator '{attribute}'",
        notes=[f"it has {', '.join(labels)}"],
        help=suggest(attribute, labels),
    )


def _parted(text: str) -> tuple[str, str]:
    before, colon, after = text.rpartition(":")
    return (before, after) if colon and after.isidentifier() and before.endswith(".py") else (text, "")


def _module(path: Path, data: bytes, digest: str) -> ModuleType:
    """Return the module of a file, run once per contents."""
    name = f"tondo_attached_{hashlib.sha256(f'{path.resolve()}{digest}'.encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None:
        fail("TND-C006", f"{path} is no Python file", help="its name should end in '.py'")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        exec(compile(data, str(path.resolve()), "exec"), vars(module))
    except TondoError:
        del sys.modules[name]
        raise
    except Exception as error:
        del sys.modules[name]
        raise TondoError(_failure(path, error)) from error
    return module


def _failure(path: Path, error: Exception) -> Diagnostic:
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path.resolve())]
    line = own[-1].lineno if own else getattr(error, "lineno", None)
    where = f", line {line}" if line else ""
    return Diagnostic(
        "TND-C006",
        f"the file of operators {path} failed{where}",
        notes=(f"{type(error).__name__}: {error}",),
        help="correct the file; it runs like any Python module, by itself",
    )
