"""Linking objects to a shared object that a Python process can load with ctypes alone."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from tondo_llvm.toolchain import (
    LinkedLibrary,
    LinkRefusal,
    MachineSpec,
    Source,
    compile_many,
    host_machine,
    link_shared,
)
from tondo_llvm.toolchain import link as link_module

_CALLEE = "define i64 @square(i64 %x) {\n  %y = mul i64 %x, %x\n  ret i64 %y\n}\n"
_CALLER = """\
declare i64 @square(i64)
declare double @cos(double)
define i64 @area(i64 %x) {
  %y = call i64 @square(i64 %x)
  %z = add i64 %y, 1
  ret i64 %z
}
define double @wave(double %x) {
  %y = call double @cos(double %x)
  ret double %y
}
"""


def _objects() -> list:
    return compile_many([Source("callee", _CALLEE), Source("caller", _CALLER)], host_machine())


def _linked(result: LinkedLibrary | LinkRefusal) -> LinkedLibrary:
    if isinstance(result, LinkRefusal):
        pytest.skip(result.reason)
    return result


def test_links_objects_that_call_each_other_and_libm(tmp_path: Path) -> None:
    result = _linked(link_shared(_objects(), tmp_path / "kernels.so", host_machine()))
    assert result.path == tmp_path / "kernels.so"
    library = ctypes.CDLL(str(result.path))
    library.area.argtypes, library.area.restype = [ctypes.c_int64], ctypes.c_int64
    library.wave.argtypes, library.wave.restype = [ctypes.c_double], ctypes.c_double
    assert library.area(12) == 145
    assert library.wave(0.0) == 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["kernels.so"]


def test_the_same_objects_give_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    first = _linked(link_shared(_objects(), tmp_path / "a.so", host_machine()))
    second = _linked(link_shared(_objects(), tmp_path / "elsewhere" / "b.so", host_machine()))
    assert first.path.read_bytes() == second.path.read_bytes()


def test_a_plain_linker_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    which = link_module.shutil.which
    monkeypatch.setattr(link_module.shutil, "which", lambda name: which(name) if name.startswith("ld") else None)
    result = _linked(link_shared(_objects(), tmp_path / "kernels.so", host_machine()))
    assert result.linker in {"ld", "ld.lld", "ziglang"}
    assert ctypes.CDLL(str(result.path)).square(7) == 49


def test_no_linker_is_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module.shutil, "which", lambda _name: None)
    monkeypatch.setattr(link_module.importlib.util, "find_spec", lambda _name: None)
    result = link_shared(_objects(), tmp_path / "kernels.so", host_machine())
    assert isinstance(result, LinkRefusal)
    assert "ziglang" in result.reason
    assert list(tmp_path.iterdir()) == []


def test_a_failing_linker_is_quoted(tmp_path: Path) -> None:
    twice = _objects()[:1] * 2
    result = link_shared(twice, tmp_path / "kernels.so", host_machine())
    assert isinstance(result, LinkRefusal)
    if result.attempts:
        assert any("square" in said for _, said in result.attempts)


def test_other_systems_are_refused(tmp_path: Path) -> None:
    result = link_shared([], tmp_path / "kernels.dylib", MachineSpec("arm64-apple-darwin"))
    assert isinstance(result, LinkRefusal)
    assert "arm64-apple-darwin" in result.reason
