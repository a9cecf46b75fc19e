"""Loading machine code: objects that refer to each other, shared objects, what is missing."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tondo_runtime
from tondo_runtime import Manifest, RuntimeFailure, Session, write_artifact
from tondo_runtime.code import ObjectEngine, SharedObject, load_code
from tondo_runtime.manifest import CodeSpec

Objects = Callable[[str], bytes]

CALLEE = "define i32 @callee(i32 %x) {\n %y = add i32 %x, 1\n ret i32 %y\n}"
CALLER = """
declare i32 @callee(i32)
define i32 @caller(i32 %x) {
  %y = call i32 @callee(i32 %x)
  %z = mul i32 %y, 10
  ret i32 %z
}"""
BROKEN = "declare i32 @nowhere_at_all()\ndefine i32 @broken() {\n %y = call i32 @nowhere_at_all()\n ret i32 %y\n}"
SECOND = "define i32 @caller(i32 %x) {\n ret i32 7\n}"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def specs(*entries: tuple[str, str]) -> tuple[CodeSpec, ...]:
    return tuple(CodeSpec(member, kind, "0" * 64) for member, kind in entries)


def call(code: object, symbol: str, value: int) -> int:
    return ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(code.address(symbol))(value)


def test_objects_of_one_artifact_refer_to_each_other(objects: Objects) -> None:
    entries = specs(("code/a.o", "object"), ("code/b.o", "object"))
    code = load_code(entries, {"code/a.o": objects(CALLER), "code/b.o": objects(CALLEE)})
    assert call(code, "caller", 4) == 50
    assert code.address("absent") is None
    code.close()
    assert code.address("caller") is None


def test_two_engines_do_not_see_each_other(objects: Objects) -> None:
    first = ObjectEngine({"a": objects(CALLER), "b": objects(CALLEE)})
    second = ObjectEngine({"a": objects(SECOND)})
    assert call(first, "caller", 0) == 10
    assert call(second, "caller", 0) == 7
    first.close()
    gc.collect()
    assert call(second, "caller", 0) == 7


def test_undefined_reference_is_a_plain_error_not_an_abort(objects: Objects) -> None:
    engine = ObjectEngine({"code/a.o": objects(BROKEN)})
    with pytest.raises(RuntimeFailure, match="'broken' cannot be linked") as info:
        engine.address("broken")
    assert info.value.code == "TND-A001"


def test_garbage_object_is_refused() -> None:
    pytest.importorskip("llvmlite")
    with pytest.raises(RuntimeFailure, match=r"code/a\.o cannot be linked") as info:
        ObjectEngine({"code/a.o": b"garbage"})
    assert info.value.code == "TND-A001"


def test_missing_llvmlite_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    with pytest.raises(RuntimeFailure, match="llvmlite") as info:
        load_code(specs(("code/a.o", "object")), {"code/a.o": b""})
    assert info.value.code == "TND-A004"
    assert "tondo-runtime[llvmlite]" in (info.value.help or "")


def test_missing_entry_function_is_refused(axpy_manifest: Manifest, objects: Objects) -> None:
    with pytest.raises(RuntimeFailure, match="__tondo_main") as info:
        Session(axpy_manifest, {"code/0.o": objects(CALLEE)}, {"scale": np.ones(1, np.float32)})
    assert info.value.code == "TND-A001"


def test_shared_objects_from_bytes_are_kept_apart(
    objects: Objects, link_shared: Callable[[list[bytes], Path], Path], tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = link_shared([objects(CALLER), objects(CALLEE)], tmp_path / "one").read_bytes()
    two = link_shared([objects(SECOND)], tmp_path / "two").read_bytes()
    before = open_files()
    first = SharedObject.from_bytes("code/m.so", one)
    second = SharedObject.from_bytes("code/m.so", two)
    assert (call(first, "caller", 1), call(second, "caller", 1)) == (20, 7)
    first.close()
    third = SharedObject.from_bytes("code/m.so", two)
    assert call(third, "caller", 1) == 7
    assert first.address("caller") is None
    second.close()
    del third
    gc.collect()
    assert open_files() == before


def test_shared_object_without_anonymous_files(
    objects: Objects,
    link_shared: Callable[[list[bytes], Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = link_shared([objects(SECOND)], tmp_path).read_bytes()
    monkeypatch.delattr(os, "memfd_create")
    library = SharedObject.from_bytes("code/m.so", data)
    assert call(library, "caller", 1) == 7
    assert SharedObject(str(tmp_path / "model.so")).address("caller")
    library.close()


def test_garbage_shared_object_is_refused() -> None:
    with pytest.raises(RuntimeFailure, match="cannot be opened") as info:
        load_code(specs(("code/m.so", "shared")), {"code/m.so": b"garbage"})
    assert info.value.code == "TND-A001"


def test_artifact_with_shared_object_runs_without_llvmlite(
    axpy_manifest: Manifest,
    objects: Objects,
    ir: dict[str, str],
    link_shared: Callable[[list[bytes], Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = link_shared([objects(ir["axpy"])], tmp_path).read_bytes()
    manifest = replace(axpy_manifest, code=specs(("code/model.so", "shared")))
    path = tmp_path / "m.tondo"
    write_artifact(path, manifest, "", {"code/model.so": data}, {"scale": np.array([2.0], np.float32)})
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    a = np.arange(5, dtype=np.float32)
    with tondo_runtime.load(path) as model:
        np.testing.assert_array_equal(model(a, a), 3 * a)


def test_loading_and_closing_many_times_leaks_nothing(
    axpy_manifest: Manifest, objects: Objects, ir: dict[str, str], weights: dict[str, np.ndarray], tmp_path: Path
) -> None:
    path = tmp_path / "m.tondo"
    write_artifact(path, axpy_manifest, "", {"code/0.o": objects(ir["axpy"])}, weights)
    a = np.ones(5, np.float32)

    def cycle(times: int) -> None:
        for _ in range(times):
            with tondo_runtime.load(path, threads=1) as model:
                model(a, a)

    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    cycle(20)
    before, files = resident(), open_files()
    cycle(100)
    assert resident() - before < 12 << 20
    assert open_files() == files


def test_import_is_light() -> None:
    import subprocess

    script = "import sys, tondo_runtime; print([m for m in ('llvmlite', 'tondo', 'ml_dtypes') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
