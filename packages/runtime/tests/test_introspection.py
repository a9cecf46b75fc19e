"""What is said of registered functions."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

import tondo_runtime
from tondo_runtime import RuntimeFailure, describe, list_functions
from tondo_runtime.registry import PackedFunction, add_resolver


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = set(tondo_runtime.names())
    yield
    for name in set(tondo_runtime.names()) - before:
        tondo_runtime.remove(name)


@tondo_runtime.register("seen.decorated")
def decorated(x: object) -> object:
    """Return what it gets.

    More words.
    """
    return x


class _Callable:
    def __call__(self) -> None:
        pass


def test_python_functions() -> None:
    tondo_runtime.register("seen.decorated", decorated, override=True)
    info = describe("seen.decorated")
    line = decorated.__code__.co_firstlineno
    assert (info.kind, info.defined, info.summary) == ("python", f"{__file__}:{line}", "Return what it gets.")
    assert info.module == __name__
    tondo_runtime.register("seen.partial", functools.partial(decorated, 1))
    assert describe("seen.partial").defined == f"{__file__}:{line}"
    tondo_runtime.register("seen.object", _Callable())
    assert describe("seen.object").defined.startswith(f"{__file__}:")
    tondo_runtime.register("seen.builtin", abs)
    assert describe("seen.builtin").defined == "builtins.abs"
    assert set(info.to_json()) == {"name", "kind", "defined", "summary", "module", "distribution"}


def test_the_runtime_s_own_functions_name_their_package() -> None:
    info = describe("tondo.random.key")
    assert info.distribution == "tondo-runtime"
    assert info.module == "tondo_runtime.functions.random"


def test_native_functions_and_patterns() -> None:
    tondo_runtime.register_native("seen.native", 0x1000, origin="libother.so:f")
    tondo_runtime.register_native("seen.address", 0x1000)
    assert describe("seen.native").kind == "native"
    assert describe("seen.native").defined == "libother.so:f"
    assert describe("seen.address").defined == "address 0x1000"
    assert [info.name for info in list_functions("seen.n*")] == ["seen.native"]
    assert [info.name for info in list_functions()] == list(tondo_runtime.names())
    with pytest.raises(RuntimeFailure) as failure:
        describe("seen.none")
    assert failure.value.code == "TND-R002"


def test_resolvers_are_asked_for_names_of_their_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tondo_runtime.registry._resolvers", {})
    asked: list[str] = []

    def resolve(name: str) -> PackedFunction | None:
        asked.append(name)
        return PackedFunction(f"seen:{name}", abs, 1, 0) if name == "abs" else None

    add_resolver("seen", resolve)
    assert tondo_runtime.get("seen:abs")(-3) == 3
    assert tondo_runtime.get("seen:abs") is tondo_runtime.get("seen:abs")
    assert asked == ["abs"]
    for name in ("seen:other", "other:abs", "seen"):
        with pytest.raises(RuntimeFailure) as failure:
            tondo_runtime.get(name)
        assert failure.value.code == "TND-R002"
