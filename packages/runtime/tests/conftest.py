"""Hand-written models in LLVM IR: the calling convention without any compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import tondo_runtime
from tondo_runtime import bridge
from tondo_runtime.dims import DimTree
from tondo_runtime.manifest import CodeSpec, ConstantSpec, Manifest, SymbolSpec, TargetSpec, TensorSpec


@pytest.fixture(autouse=True)
def _no_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the bridge to other systems' objects that a package may have installed in this process."""
    monkeypatch.setattr(bridge, "_bridges", [])


PRELUDE = """
define internal ptr @data(ptr %args, i64 %index) {
  %at = mul i64 %index, 16
  %payload.at = add i64 %at, 8
  %slot = getelementptr i8, ptr %args, i64 %payload.at
  %tensor = load ptr, ptr %slot
  %base = load ptr, ptr %tensor
  %offset.at = getelementptr i8, ptr %tensor, i64 40
  %offset = load i64, ptr %offset.at
  %address = getelementptr i8, ptr %base, i64 %offset
  ret ptr %address
}
define internal i64 @clock(ptr %ctx) {
  %at = getelementptr i8, ptr %ctx, i64 40
  %f = load ptr, ptr %at
  %now = call i64 %f()
  ret i64 %now
}
define internal void @record(ptr %ctx, i64 %kernel, i64 %begin) {
  %at = getelementptr i8, ptr %ctx, i64 32
  %profile = load ptr, ptr %at
  %off = icmp eq ptr %profile, null
  br i1 %off, label %done, label %on
on:
  %index = atomicrmw add ptr %profile, i64 1 monotonic
  %capacity.at = getelementptr i8, ptr %profile, i64 8
  %capacity = load i64, ptr %capacity.at
  %fits = icmp slt i64 %index, %capacity
  br i1 %fits, label %store, label %done
store:
  %records.at = getelementptr i8, ptr %profile, i64 16
  %records = load ptr, ptr %records.at
  %where = mul i64 %index, 24
  %r0 = getelementptr i8, ptr %records, i64 %where
  %r1 = getelementptr i8, ptr %r0, i64 8
  %r2 = getelementptr i8, ptr %r0, i64 16
  %end = call i64 @clock(ptr %ctx)
  store i64 %kernel, ptr %r0
  store i64 %begin, ptr %r1
  store i64 %end, ptr %r2
  br label %done
done:
  ret void
}
define internal i32 @parallel(ptr %ctx, ptr %body, ptr %closure, i64 %count, i64 %grain) {
  %threads.at = getelementptr i8, ptr %ctx, i64 4
  %threads = load i32, ptr %threads.at
  %for.at = getelementptr i8, ptr %ctx, i64 8
  %for = load ptr, ptr %for.at
  %pool.at = getelementptr i8, ptr %ctx, i64 16
  %pool = load ptr, ptr %pool.at
  %status = call i32 %for(ptr %pool, ptr %body, ptr %closure, i64 %count, i64 %grain, i32 %threads)
  ret i32 %status
}
define internal i32 @packed(ptr %ctx, i64 %index, ptr %args, i32 %n) {
  %result = alloca {i32, i32, i64}
  store {i32, i32, i64} zeroinitializer, ptr %result
  %table.at = getelementptr i8, ptr %ctx, i64 24
  %table = load ptr, ptr %table.at
  %row = mul i64 %index, 16
  %fn.at = getelementptr i8, ptr %table, i64 %row
  %fn = load ptr, ptr %fn.at
  %handle.at = getelementptr i8, ptr %fn.at, i64 8
  %handle = load ptr, ptr %handle.at
  %status = call i32 %fn(ptr %handle, ptr %args, i32 %n, ptr %result)
  ret i32 %status
}
"""

# y[n] = a[n] + b[n] * scale[0], through the workspace, as two parallel loops in two kernels.
AXPY = (
    PRELUDE
    + """
define internal i32 @scale_body(ptr %closure, i64 %begin, i64 %end) {
entry:
  %b = load ptr, ptr %closure
  %c.at = getelementptr ptr, ptr %closure, i64 1
  %c = load ptr, ptr %c.at
  %w.at = getelementptr ptr, ptr %closure, i64 2
  %w = load ptr, ptr %w.at
  %scale = load float, ptr %c, align 64
  br label %head
head:
  %i = phi i64 [ %begin, %entry ], [ %i.next, %body ]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %out
body:
  %b.i = getelementptr float, ptr %b, i64 %i
  %x = load float, ptr %b.i
  %y = fmul float %x, %scale
  %w.i = getelementptr float, ptr %w, i64 %i
  store float %y, ptr %w.i
  %i.next = add i64 %i, 1
  br label %head
out:
  ret i32 0
}
define internal i32 @add_body(ptr %closure, i64 %begin, i64 %end) {
entry:
  %a = load ptr, ptr %closure
  %w.at = getelementptr ptr, ptr %closure, i64 1
  %w = load ptr, ptr %w.at
  %o.at = getelementptr ptr, ptr %closure, i64 2
  %o = load ptr, ptr %o.at
  br label %head
head:
  %i = phi i64 [ %begin, %entry ], [ %i.next, %body ]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %out
body:
  %a.i = getelementptr float, ptr %a, i64 %i
  %x = load float, ptr %a.i
  %w.i = getelementptr float, ptr %w, i64 %i
  %z = load float, ptr %w.i
  %y = fadd float %x, %z
  %o.i = getelementptr float, ptr %o, i64 %i
  store float %y, ptr %o.i
  %i.next = add i64 %i, 1
  br label %head
out:
  ret i32 0
}
define i32 @__tondo_main(ptr %ctx, ptr %args, i32 %n, ptr %result) {
  %ok.n = icmp eq i32 %n, 6
  br i1 %ok.n, label %good, label %bad
bad:
  ret i32 -1
good:
  %n.at = getelementptr i8, ptr %args, i64 8
  %count = load i64, ptr %n.at
  %a = call ptr @data(ptr %args, i64 1)
  %b = call ptr @data(ptr %args, i64 2)
  %c = call ptr @data(ptr %args, i64 3)
  %o = call ptr @data(ptr %args, i64 4)
  %w = call ptr @data(ptr %args, i64 5)
  %closure = alloca [3 x ptr]
  %second = getelementptr ptr, ptr %closure, i64 1
  %third = getelementptr ptr, ptr %closure, i64 2
  store ptr %b, ptr %closure
  store ptr %c, ptr %second
  store ptr %w, ptr %third
  %t0 = call i64 @clock(ptr %ctx)
  %s0 = call i32 @parallel(ptr %ctx, ptr @scale_body, ptr %closure, i64 %count, i64 64)
  call void @record(ptr %ctx, i64 0, i64 %t0)
  store ptr %a, ptr %closure
  store ptr %w, ptr %second
  store ptr %o, ptr %third
  %t1 = call i64 @clock(ptr %ctx)
  %s1 = call i32 @parallel(ptr %ctx, ptr @add_body, ptr %closure, i64 %count, i64 64)
  call void @record(ptr %ctx, i64 1, i64 %t1)
  %s = or i32 %s0, %s1
  ret i32 %s
}
"""
)

# Calls the foreign function 0 with (n, x, y); returns its status. Reports an error itself if n is 13.
FOREIGN = (
    PRELUDE
    + """
@kind = private constant [11 x i8] c"ValueError\\00"
@text = private constant [16 x i8] c"13 is forbidden\\00"
define i32 @__tondo_main(ptr %ctx, ptr %args, i32 %n, ptr %result) {
  %n.at = getelementptr i8, ptr %args, i64 8
  %count = load i64, ptr %n.at
  %unlucky = icmp eq i64 %count, 13
  br i1 %unlucky, label %refuse, label %go
refuse:
  %set.at = getelementptr i8, ptr %ctx, i64 48
  %set = load ptr, ptr %set.at
  call void %set(ptr %ctx, ptr @kind, ptr @text)
  ret i32 -1
go:
  %status = call i32 @packed(ptr %ctx, i64 0, ptr %args, i32 3)
  ret i32 %status
}
"""
)

# Calls the foreign function 0 with (n, x, y) from inside a parallel loop.
FOREIGN_PARALLEL = (
    PRELUDE
    + """
define internal i32 @body(ptr %closure, i64 %begin, i64 %end) {
  %ctx = load ptr, ptr %closure
  %args.at = getelementptr ptr, ptr %closure, i64 1
  %args = load ptr, ptr %args.at
  %status = call i32 @packed(ptr %ctx, i64 0, ptr %args, i32 3)
  ret i32 %status
}
define i32 @__tondo_main(ptr %ctx, ptr %args, i32 %n, ptr %result) {
  %closure = alloca [2 x ptr]
  %second = getelementptr ptr, ptr %closure, i64 1
  store ptr %ctx, ptr %closure
  store ptr %args, ptr %second
  %status = call i32 @parallel(ptr %ctx, ptr @body, ptr %closure, i64 4, i64 1)
  ret i32 %status
}
"""
)

# A pool with one real thread per parallel loop; created and loops are counted in exported variables.
POOL = """
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_join(i64, ptr)
@test_created = global i32 0
@test_loops = global i32 0
@test_capacity = global i32 0
define i32 @tondo_pool_version() {
  ret i32 7001
}
define ptr @tondo_pool_create(i32 %max) {
  %old = atomicrmw add ptr @test_created, i32 1 seq_cst
  store i32 %max, ptr @test_capacity
  ret ptr @test_created
}
define void @tondo_pool_destroy(ptr %pool) {
  ret void
}
define internal ptr @worker(ptr %job) {
  %body = load ptr, ptr %job
  %closure.at = getelementptr i64, ptr %job, i64 1
  %closure = load ptr, ptr %closure.at
  %begin.at = getelementptr i64, ptr %job, i64 2
  %begin = load i64, ptr %begin.at
  %end.at = getelementptr i64, ptr %job, i64 3
  %end = load i64, ptr %end.at
  %status = call i32 %body(ptr %closure, i64 %begin, i64 %end)
  %status.at = getelementptr i64, ptr %job, i64 4
  store i32 %status, ptr %status.at
  ret ptr null
}
define i32 @tondo_pool_parallel_for(ptr %pool, ptr %body, ptr %closure, i64 %count, i64 %grain, i32 %threads) {
  %job = alloca [5 x i64]
  %thread = alloca i64
  %old = atomicrmw add ptr @test_loops, i32 1 seq_cst
  %one = icmp sle i32 %threads, 1
  %small = icmp sle i64 %count, %grain
  %inline = or i1 %one, %small
  br i1 %inline, label %alone, label %both
alone:
  %s = call i32 %body(ptr %closure, i64 0, i64 %count)
  ret i32 %s
both:
  %half = sdiv i64 %count, 2
  store ptr %body, ptr %job
  %closure.at = getelementptr i64, ptr %job, i64 1
  store ptr %closure, ptr %closure.at
  %begin.at = getelementptr i64, ptr %job, i64 2
  store i64 %half, ptr %begin.at
  %end.at = getelementptr i64, ptr %job, i64 3
  store i64 %count, ptr %end.at
  %made = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr %job)
  %s0 = call i32 %body(ptr %closure, i64 0, i64 %half)
  %id = load i64, ptr %thread
  %joined = call i32 @pthread_join(i64 %id, ptr null)
  %status.at = getelementptr i64, ptr %job, i64 4
  %s1 = load i32, ptr %status.at
  %bad = icmp ne i32 %s0, 0
  %r = select i1 %bad, i32 %s0, i32 %s1
  ret i32 %r
}
"""

Sources = dict[str, str]


def compile_ir(text: str) -> bytes:
    """Return the relocatable object of one LLVM module."""
    binding = pytest.importorskip("llvmlite.binding")
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    module = binding.parse_assembly(text)
    module.verify()
    machine = binding.Target.from_default_triple().create_target_machine(opt=2, reloc="pic", codemodel="small")
    return bytes(machine.emit_object(module))


@pytest.fixture(scope="session")
def objects() -> Callable[[str], bytes]:
    """Compiler of IR text, each text once."""
    cache: dict[str, bytes] = {}

    def compile_once(text: str) -> bytes:
        if text not in cache:
            cache[text] = compile_ir(text)
        return cache[text]

    return compile_once


@pytest.fixture(scope="session")
def ir() -> Sources:
    """The texts of the models by name."""
    return {"axpy": AXPY, "foreign": FOREIGN, "foreign_parallel": FOREIGN_PARALLEL, "pool": POOL}


def object_specs(count: int) -> tuple[CodeSpec, ...]:
    """Return code entries ``code/0.o``... without digests."""
    return tuple(CodeSpec(f"code/{index}.o", "object", "0" * 64) for index in range(count))


def make_axpy_manifest() -> Manifest:
    """y[n] = a[n] + b[n] * scale[0]."""
    return Manifest(
        name="axpy",
        entry="main",
        symbols=(SymbolSpec("n", 1),),
        inputs=(TensorSpec("a", "float32", ("n",)), TensorSpec("b", "float32", ("n",))),
        outputs=(TensorSpec("y", "float32", ("n",)),),
        constants=(ConstantSpec("scale", "float32", (1,)),),
        workspace=DimTree("mul", "n", 4),
        kernels=("scale", "add"),
        target=TargetSpec("cpu"),
        code=object_specs(1),
    )


@pytest.fixture
def axpy_manifest() -> Manifest:
    """y[n] = a[n] + b[n] * scale[0]."""
    return make_axpy_manifest()


@pytest.fixture
def foreign_manifest() -> Manifest:
    """y[n] = whatever the foreign function ``test.foreign`` writes."""
    return Manifest(
        name="foreign",
        entry="main",
        symbols=(SymbolSpec("n", 0),),
        inputs=(TensorSpec("x", "float32", ("n",)),),
        outputs=(TensorSpec("y", "float32", ("n",)),),
        packed=("test.foreign",),
        code=object_specs(1),
    )


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    """Constants of axpy."""
    return {"scale": np.array([2.5], np.float32)}


@pytest.fixture
def axpy(
    axpy_manifest: Manifest, weights: dict[str, np.ndarray], objects: Callable[[str], bytes]
) -> Iterator[tondo_runtime.Session]:
    """A session of axpy without a pool."""
    with tondo_runtime.Session(axpy_manifest, {"code/0.o": objects(AXPY)}, weights, threads=2) as session:
        yield session


@pytest.fixture(scope="module")
def shared_axpy(objects: Callable[[str], bytes]) -> Iterator[tondo_runtime.Session]:
    """A session of axpy for property tests, which may not use a fixture made per test."""
    manifest = make_axpy_manifest()
    with tondo_runtime.Session(
        manifest, {"code/0.o": objects(AXPY)}, {"scale": np.array([2.5], np.float32)}
    ) as session:
        yield session


@pytest.fixture
def foreign_function() -> Iterator[Callable[[Callable[..., object]], None]]:
    """Registers ``test.foreign`` for one test."""

    def put(function: Callable[..., object]) -> None:
        tondo_runtime.register("test.foreign", function, override=True)

    yield put
    if "test.foreign" in tondo_runtime.names():
        tondo_runtime.remove("test.foreign")


@pytest.fixture(scope="session")
def link_shared() -> Callable[[list[bytes], Path], Path]:
    """Links objects with the system's compiler driver; skips without one."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a linker (cc)")

    def link(parts: list[bytes], folder: Path) -> Path:
        paths = []
        for index, data in enumerate(parts):
            path = folder / f"{index}.o"
            path.write_bytes(data)
            paths.append(os.fspath(path))
        target = folder / "model.so"
        subprocess.run([compiler, "-shared", "-o", os.fspath(target), *paths], check=True)
        return target

    return link
