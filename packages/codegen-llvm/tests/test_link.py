"""Compiled code as one shared object: what it exports, that it runs without llvmlite, and when there is none."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tondo.ir import FLOAT32, UINT8, Attrs, Buffer, Const, For, Invoke, IRModule, Store, TensorFunction, Var
from tondo.passes import Miss
from tondo.plugin import CodegenContext, CompiledCode, Linker, ObjectCode
from tondo_llvm.codegen import LlvmCodegen
from tondo_llvm.pool import POOL_SYMBOLS
from tondo_llvm.targets import host_target
from tondo_llvm.testing import Loaded
from tondo_llvm.toolchain import link as link_module
from tondo_runtime import CodeSpec, Manifest, Session, TargetSpec, TensorSpec, write_artifact

pytestmark = pytest.mark.llvm

I, N = Var("i"), Const(1000)


def compiled() -> CompiledCode:
    """``main(x, y, workspace)`` calls ``twice(x, y)``, whose loop is parallel."""
    x, y, workspace = Buffer("x", (N,)), Buffer("y", (N,)), Buffer("workspace", (Const(0),), UINT8)
    loop = For(I, Const(0), N, Store(y, (I,), x[I] * Const(2.0, FLOAT32)), "parallel")
    twice = TensorFunction("twice", (x, y), loop, 1)
    body = Invoke("twice", (x, y))
    main = TensorFunction("main", (x, y, workspace), body, 2, Attrs(exported=True, kind="host"))
    return LlvmCodegen().compile(IRModule.of(twice, main), host_target(2), {}, CodegenContext())


def linked() -> CompiledCode:
    result = LlvmCodegen().link(compiled(), host_target(2))
    if isinstance(result, Miss):
        pytest.skip(result.reason)
    return result


def manifest(code: CompiledCode) -> Manifest:
    array = {"dtype": "float32", "shape": (1000,)}
    return Manifest(
        name="twice",
        entry="main",
        inputs=(TensorSpec("x", **array),),
        outputs=(TensorSpec("y", **array),),
        symbols=(),
        constants=(),
        workspace=0,
        kernels=code.kernels,
        packed=(),
        target=TargetSpec("cpu", host_target().triple, "", ()),
        code=tuple(CodeSpec(f"code/{entry.name}.so", entry.kind, "") for entry in code.objects),
    )


def test_codegen_is_a_linker() -> None:
    assert isinstance(LlvmCodegen(), Linker)


def test_one_shared_object_with_the_same_facts() -> None:
    code, result = compiled(), linked()
    (entry,) = result.objects
    assert entry.kind == "shared"
    assert entry.data[:4] == b"\x7fELF"
    assert (result.kernels, result.packed, result.features) == (code.kernels, code.packed, code.features)
    assert LlvmCodegen().link(result, host_target()) is result


def test_only_entry_points_pool_and_clock_are_visible(tmp_path: Path) -> None:
    path = tmp_path / "model.so"
    path.write_bytes(linked().objects[0].data)
    library = ctypes.CDLL(str(path))
    for symbol in ("__tondo_main", *POOL_SYMBOLS):
        assert hasattr(library, symbol)
    for symbol in ("tondo_fn.main", "tondo_pool_now", "main"):
        assert not hasattr(library, symbol)


def test_saved_artifact_runs_without_llvmlite(tmp_path: Path) -> None:
    code, path = linked(), tmp_path / "twice.tondo"
    members = {f"code/{entry.name}.so": entry.data for entry in code.objects}
    write_artifact(path, manifest(code), "", members, {})
    program = f"""
import sys
sys.modules["llvmlite"] = None
import numpy as np
import tondo_runtime
model = tondo_runtime.load({str(path)!r}, threads=2)
x = np.arange(1000, dtype=np.float32)
for _ in range(3):
    np.testing.assert_array_equal(model(x), 2 * x)
with model.profile() as profile:
    model(x)
(row,) = profile.table()
assert (row.name, row.count) == ("twice", 1), row
assert row.total_ns >= 0
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_profile_reads_the_clock_of_the_code() -> None:
    code = linked()
    session = Session(manifest(code), {f"code/{entry.name}.so": entry.data for entry in code.objects}, {}, 1)
    before = time.perf_counter_ns()
    with session.profile() as profile:
        session(np.zeros(1000, np.float32))
    after = time.perf_counter_ns()
    begin, end = profile.events[0].begin_ns, profile.events[0].end_ns
    assert before <= begin <= end <= after
    session.close()


def test_clock_is_monotonic() -> None:
    with Loaded([]) as loaded:
        clock = ctypes.CFUNCTYPE(ctypes.c_int64)(loaded.address("tondo_clock_ns"))
        times = [clock() for _ in range(1000)]
    assert times == sorted(times)
    assert abs(times[-1] - time.monotonic_ns()) < 10_000_000_000


def test_without_a_linker_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module.shutil, "which", lambda _name: None)
    monkeypatch.setattr(link_module.importlib.util, "find_spec", lambda _name: None)
    result = LlvmCodegen().link(compiled(), host_target())
    assert isinstance(result, Miss)
    assert "no linker" in result.reason


def test_a_failing_linker_is_quoted() -> None:
    result = LlvmCodegen().link(CompiledCode((ObjectCode("broken", b"no object"),)), host_target())
    assert isinstance(result, Miss)
    assert "linker" in result.reason


def test_the_digest_is_found_without_llvm() -> None:
    program = (
        "import sys; from tondo_llvm.codegen import LlvmCodegen; text = LlvmCodegen().digest();"
        "assert 'llvmlite' not in sys.modules; print(text)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == LlvmCodegen().digest()
    assert done.stdout.startswith("llvmlite-")
