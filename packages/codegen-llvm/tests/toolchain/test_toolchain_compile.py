"""Compilation of LLVM IR text: order, determinism, options and refusals."""

from __future__ import annotations

import threading

import pytest

from tondo.diagnostics import TondoError
from tondo_llvm.toolchain import (
    MachineSpec,
    Optimization,
    Source,
    assembly,
    available_cpus,
    compile_many,
    host_machine,
    llvm_version,
)

_X86 = MachineSpec("x86_64-unknown-linux-gnu", "", ("+avx2", "+fma"))


def _axpy(name: str, lanes: int = 8) -> str:
    vector = f"<{lanes} x float>"
    return f"""\
define void @{name}(ptr %x, ptr %y, i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %px = getelementptr {vector}, ptr %x, i64 %i
  %py = getelementptr {vector}, ptr %y, i64 %i
  %vx = load {vector}, ptr %px, align 4
  %vy = load {vector}, ptr %py, align 4
  %r = call {vector} @llvm.fma.v{lanes}f32({vector} %vx, {vector} %vx, {vector} %vy)
  store {vector} %r, ptr %py, align 4
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})
"""


def _scalar_loop(name: str) -> str:
    return f"""\
define void @{name}(ptr noalias %x, ptr noalias %y, i64 %n) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %j, %loop ]
  %px = getelementptr float, ptr %x, i64 %i
  %py = getelementptr float, ptr %y, i64 %i
  %v = load float, ptr %px
  %r = fmul float %v, %v
  store float %r, ptr %py
  %j = add i64 %i, 1
  %more = icmp slt i64 %j, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
"""


def test_objects_keep_the_order_and_do_not_depend_on_threads() -> None:
    items = [Source(f"k{index}", _axpy(f"k{index}", 4 << index % 3)) for index in range(12)]
    one = compile_many(items, _X86, jobs=1)
    assert [code.name for code in one] == [item.name for item in items]
    assert all(code.data.startswith(b"\x7fELF") for code in one)
    for jobs in (2, 5):
        assert compile_many(items, _X86, jobs=jobs) == one


def test_nothing_to_compile() -> None:
    assert compile_many([], _X86) == []


def test_several_threads_may_compile_at_once() -> None:
    items = [Source(f"k{index}", _axpy(f"k{index}")) for index in range(6)]
    expected = compile_many(items, _X86, jobs=1)
    results: list[list[object]] = []
    threads = [
        threading.Thread(target=lambda: results.append(list(compile_many(items, _X86, jobs=2)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 4


def test_progress_reports_every_module_in_the_calling_thread() -> None:
    calls: list[tuple[int, int, str]] = []
    callers: set[int] = set()

    def progress(done: int, total: int, name: str) -> None:
        calls.append((done, total, name))
        callers.add(threading.get_ident())

    compile_many([Source(f"k{index}", _axpy(f"k{index}")) for index in range(5)], _X86, progress=progress)
    assert [(done, total) for done, total, _ in calls] == [(index, 5) for index in range(1, 6)]
    assert {name for _, _, name in calls} == {f"k{index}" for index in range(5)}
    assert callers == {threading.get_ident()}


def test_features_decide_the_instructions() -> None:
    assert "vfmadd" in assembly(_axpy("k"), _X86)
    assert "vfmadd" not in assembly(_axpy("k"), MachineSpec("x86_64-unknown-linux-gnu", "", ("+avx2", "-fma")))
    assert "zmm" in assembly(_axpy("k", 16), MachineSpec("x86_64-unknown-linux-gnu", "", ("+avx512f",)))
    assert "fmla" in assembly(_axpy("k", 4), MachineSpec("aarch64-unknown-linux-gnu"))


def test_vectorisers_are_off_unless_wanted() -> None:
    assert "mulps" not in assembly(_scalar_loop("k"), _X86)
    assert "mulps" in assembly(_scalar_loop("k"), _X86, Optimization(vectorize=True))


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_levels(level: int) -> None:
    (code,) = compile_many([Source("k", _axpy("k"))], _X86, Optimization(level))
    assert b"k\x00" in code.data


def test_unknown_level() -> None:
    with pytest.raises(ValueError, match="0 to 3"):
        Optimization(4)


def test_a_parse_error_shows_the_line() -> None:
    text = "define void @f() {\n  ret i32 1\n}\n"
    with pytest.raises(TondoError) as caught:
        compile_many([Source("good", _axpy("k")), Source("bad", text)], _X86)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "TND-B004"
    assert "'bad'" in diagnostic.message
    assert diagnostic.span is not None
    assert (diagnostic.span.line, diagnostic.span.column) == (2, 7)
    assert diagnostic.source == "  ret i32 1"


def test_a_verifier_error_shows_the_line() -> None:
    text = (
        "define i32 @f(i1 %c) {\nentry:\n  br i1 %c, label %a, label %b\n"
        "a:\n  %x = add i32 1, 2 ; here\n  br label %b\nb:\n  ret i32 %x\n}\n"
    )
    with pytest.raises(TondoError) as caught:
        compile_many([Source("bad", text)], _X86)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "TND-B004"
    assert "dominate" in diagnostic.message
    assert diagnostic.span is not None
    assert (diagnostic.span.line, diagnostic.span.column) == (5, 3)


def test_every_refused_module_is_reported_in_order() -> None:
    bad = Source("first", "define void @f() { ret i32 1 }"), Source("second", "nonsense")
    with pytest.raises(TondoError) as caught:
        compile_many([bad[0], Source("good", _axpy("k")), bad[1]], _X86, jobs=2)
    assert ["'first'" in d.message or "'second'" in d.message for d in caught.value.diagnostics] == [True, True]
    assert "'first'" in caught.value.diagnostics[0].message


def test_unknown_triple() -> None:
    with pytest.raises(TondoError) as caught:
        compile_many([Source("k", _axpy("k"))], MachineSpec("pdp11-dec-unix"))
    assert caught.value.code == "TND-B005"


def test_inline_assembly_for_another_architecture_is_refused() -> None:
    other = "aarch64" if host_machine().architecture == "x86_64" else "x86_64"
    text = 'define void @f() {\n  call void asm sideeffect "nop", ""()\n  ret void\n}\n'
    with pytest.raises(TondoError) as caught:
        compile_many([Source("k", text)], MachineSpec(f"{other}-unknown-linux-gnu"))
    assert caught.value.code == "TND-B004"
    assert caught.value.diagnostics[0].span is not None
    assert caught.value.diagnostics[0].span.line == 2
    assert compile_many([Source("k", text)], host_machine())


def test_features_need_a_sign() -> None:
    with pytest.raises(TondoError) as caught:
        MachineSpec("x86_64-unknown-linux-gnu", "", ("avx2",))
    assert caught.value.code == "TND-U005"


def test_machine_facts() -> None:
    machine = MachineSpec("amd64-linux-gnu", "", ("+fma", "-avx2", "+avx2", "-sse4a"))
    assert machine.architecture == "x86_64"
    assert machine.has("avx2")
    assert machine.has("fma")
    assert not machine.has("sse4a")
    assert not machine.has("avx512f")


def test_the_host() -> None:
    host = host_machine()
    assert host.triple
    assert all(feature[0] in "+-" for feature in host.features)
    assert available_cpus() >= 1
    assert "llvmlite" in llvm_version()
