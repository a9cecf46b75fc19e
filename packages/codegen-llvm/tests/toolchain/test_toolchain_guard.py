"""Modules that make LLVM end its process become error messages."""

from __future__ import annotations

import os
import time

import pytest

from tondo.diagnostics import TondoError
from tondo_llvm.pool import pool_ir
from tondo_llvm.toolchain import MachineSpec, Source, assembly, compile_many, host_machine
from tondo_llvm.toolchain import guard as guard_module

_X86 = "x86_64-unknown-linux-gnu"
_DOT = """\
define void @dot(ptr %p) {
  %a = load <16 x float>, ptr %p
  %r = call <16 x float> @llvm.x86.avx512.vfmadd.ps.512(<16 x float> %a, <16 x float> %a, <16 x float> %a, i32 4)
  store <16 x float> %r, ptr %p
  ret void
}
declare <16 x float> @llvm.x86.avx512.vfmadd.ps.512(<16 x float>, <16 x float>, <16 x float>, i32)
"""
_PLAIN = "define i64 @plain(i64 %x) {\n  ret i64 %x\n}\n"
_ASSEMBLY = 'define void @f() {\n  call void asm sideeffect "@@", ""()\n  ret void\n}\n'


def test_what_is_guarded() -> None:
    assert guard_module.may_end_process(_DOT)
    assert guard_module.may_end_process(_ASSEMBLY.replace("@@", "nop"))
    assert guard_module.may_end_process('module asm ".globl f"\n')
    assert not guard_module.may_end_process(_PLAIN)
    assert not guard_module.may_end_process(pool_ir(_X86))
    assert not guard_module.may_end_process(pool_ir("aarch64-unknown-linux-gnu"))


def test_an_intrinsic_with_its_feature_is_compiled() -> None:
    machine = MachineSpec(_X86, "", ("+avx512f",))
    sources = [Source(f"k{index}", _DOT.replace("@dot", f"@dot{index}")) for index in range(5)]
    one = compile_many(sources, machine, jobs=1)
    assert compile_many(sources, machine, jobs=3) == one
    assert "vfmadd" in assembly(_DOT, machine)


def test_an_intrinsic_without_its_feature_is_an_error_message() -> None:
    items = [Source("good", _PLAIN), Source("dot", _DOT), Source("fine", _PLAIN.replace("@plain", "@fine"))]
    for _ in range(2):
        with pytest.raises(TondoError) as caught:
            compile_many(items, MachineSpec(_X86), jobs=2)
        (diagnostic,) = caught.value.diagnostics
        assert diagnostic.code == "TND-B004"
        assert "'dot'" in diagnostic.message
        assert "operator" in diagnostic.message or "select" in diagnostic.message.lower()


def test_wrong_inline_assembly_is_an_error_message() -> None:
    with pytest.raises(TondoError) as caught:
        compile_many([Source("f", _ASSEMBLY.replace("@@", "bogus instruction"))], host_machine())
    assert caught.value.code == "TND-B004"
    assert "bogus" in str(caught.value) or "invalid" in str(caught.value)


def test_ordinary_errors_of_guarded_modules_keep_their_line() -> None:
    text = _DOT.replace("ret void", "ret i32 1")
    with pytest.raises(TondoError) as caught:
        compile_many([Source("dot", text)], MachineSpec(_X86, "", ("+avx512f",)))
    span = caught.value.diagnostics[0].span
    assert span is not None
    assert span.line == 5


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_its_own_helper() -> None:
    machine = MachineSpec(_X86, "", ("+avx512f",))
    expected = compile_many([Source("dot", _DOT)], machine)
    child = os.fork()
    if child == 0:
        same = compile_many([Source("dot", _DOT)], machine) == expected
        guard_module._end_all()
        os._exit(0 if same else 1)
    deadline = time.monotonic() + 60
    finished = 0
    while not finished and time.monotonic() < deadline:
        finished, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.01)
    if not finished:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0
    assert compile_many([Source("dot", _DOT)], machine) == expected
