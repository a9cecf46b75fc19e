"""From what a user writes to a :class:`Target`.

Accepted: ``"native"``, a kind (``"cpu"``, ``"interp"``), ``"cpu=haswell"``, ``"cpu=native,threads=2,features=+fma"``,
or a mapping with the keys ``kind``, ``cpu``, ``threads``, ``features``, ``attrs``.
Everything else is refused with TND-U007.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from tondo.diagnostics import fail, suggest
from tondo.target.target import Attribute, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tondo.target.provider import TargetProvider

TargetSpec = str | Target | Mapping[str, object]
"""What :func:`parse_target` takes."""

MAX_THREADS: Final = 4096
_KEYS: Final = ("kind", "cpu", "threads", "features", "attrs")
_SHORT: Final = re.compile(r"[A-Za-z0-9_.+-]{1,64}")


@dataclass(frozen=True, slots=True)
class _Request:
    kind: str = "cpu"
    cpu: str = "native"
    threads: int | None = None
    features: tuple[str, ...] = ()
    attrs: tuple[tuple[str, Attribute], ...] = ()


def parse_target(spec: TargetSpec, providers: Iterable[TargetProvider]) -> Target:
    """Return the target that ``spec`` describes; of several providers the highest priority that knows it decides.

    Raises:
        TondoError: TND-U007 for an unknown kind, CPU, feature or key; TND-U005 for a wrong value.
    """
    if isinstance(spec, Target):
        return spec
    request = _from_mapping(target_fields(spec) if isinstance(spec, str) else spec)
    ordered = sorted(providers, key=lambda provider: (-provider.priority, provider.name))
    matching = [provider for provider in ordered if provider.kind == request.kind]
    if not matching:
        kinds = sorted({provider.kind for provider in ordered})
        fail(
            "TND-U007",
            f"unknown target kind {request.kind!r}",
            notes=[f"known kinds: {', '.join(kinds)}"],
            help=suggest(request.kind, [*kinds, "native"]) or "'tondo targets' lists what can be compiled for",
        )
    target = _make(request, matching)
    attrs = tuple(sorted({**dict(target.attrs), **dict(request.attrs)}.items()))
    return replace(target, threads=request.threads or target.threads, attrs=attrs)


def _make(request: _Request, providers: list[TargetProvider]) -> Target:
    for provider in providers:
        if request.cpu == "native":
            found = provider.detect()
            if found is not None:
                return provider.make("native", request.features) if request.features else found
        elif request.cpu in provider.names():
            return provider.make(request.cpu, request.features)
    names = sorted({name for provider in providers for name in provider.names()} | {"native"})
    return fail(
        "TND-U007",
        f"unknown CPU {request.cpu!r} of kind {request.kind!r}",
        notes=[f"known CPUs: {', '.join(names)}"],
        help=suggest(request.cpu, names),
    )


def target_fields(text: str) -> dict[str, object]:
    """Return the mapping that the short form ``text`` stands for.

    Raises:
        TondoError: TND-U007 if it is not a target.
    """
    head, *rest = text.split(",")
    fields: dict[str, object] = {}
    kind, equals, cpu = head.partition("=")
    if not _SHORT.fullmatch(kind) or (equals and not _SHORT.fullmatch(cpu)):
        fail("TND-U007", f"not a target: {text!r}", help="write 'native', 'cpu=haswell' or 'interp'")
    if kind != "native":
        fields["kind"] = kind
    elif equals:
        fail("TND-U007", f"not a target: {text!r}", help="write 'cpu=NAME' to choose a CPU")
    if cpu:
        fields["cpu"] = cpu
    for item in rest:
        key, equals, value = item.partition("=")
        if key == "features":
            fields["features"] = [part for part in value.split(":") if part]
        elif key == "threads" and value.isdecimal():
            fields["threads"] = int(value)
        else:
            fail("TND-U007", f"not a target option: {item!r}", help="write 'threads=2' or 'features=+avx2:-fma'")
    return fields


def _from_mapping(spec: Mapping[str, object]) -> _Request:
    for key in spec:
        if key not in _KEYS:
            fail(
                "TND-U007",
                f"unknown target key {key!r}",
                notes=[f"known keys: {', '.join(_KEYS)}"],
                help=suggest(str(key), _KEYS),
            )
    kind, cpu = spec.get("kind", "cpu"), spec.get("cpu", "native")
    if not isinstance(kind, str) or not isinstance(cpu, str):
        fail("TND-U005", "the target's 'kind' and 'cpu' are names")
    threads = _threads(spec.get("threads"))
    return _Request(kind, cpu, threads, _features(spec.get("features")), _attrs(spec.get("attrs")))


def _threads(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_THREADS:
        return value
    return fail("TND-U005", f"the target's 'threads' is a number from 1 to {MAX_THREADS}, not {value!r}")


def _features(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple | set | frozenset):
        fail("TND-U005", "the target's 'features' is a list of names")
    items = [str(item) for item in cast("Collection[object]", value)]
    names = tuple(sorted(items) if isinstance(value, set | frozenset) else items)
    for name in names:
        if not _SHORT.fullmatch(name):
            fail("TND-U007", f"unknown CPU feature {name!r}", help="features have LLVM's names, such as 'avx2'")
    return names


def _attrs(value: object) -> tuple[tuple[str, Attribute], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        fail("TND-U005", "the target's 'attrs' is a mapping of names to values")
    pairs: list[tuple[str, Attribute]] = []
    for name, item in cast("Mapping[object, object]", value).items():
        if not isinstance(name, str) or not isinstance(item, bool | int | float | str):
            fail("TND-U005", f"the target attribute {name!r} is not a plain value")
        pairs.append((name, item))
    return tuple(sorted(pairs))
