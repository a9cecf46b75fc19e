"""The text of the functions: self-contained, for other machines too, and the coefficients come from the stated fits."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tondo_llvm.math import MATH_FUNCTIONS, arity, coefficients, machine_features, math_function
from tondo_llvm.math.fit import FITS, Fit, error, solve
from tondo_llvm.toolchain import MachineSpec, Source, assembly, compile_many

_AVX2 = MachineSpec("x86_64-unknown-linux-gnu", "", ("+avx2", "+fma"))
_ARM = MachineSpec("aarch64-unknown-linux-gnu")


def _user(name: str, lanes: int, machine: MachineSpec) -> str:
    function = math_function(name, "float32", lanes, machine_features(machine))
    vector = "float" if lanes == 1 else f"<{lanes} x float>"
    registers = ["%a", "%b"][: arity(name)]
    loads = "".join(f"  {register} = load {vector}, ptr %{index}\n" for index, register in enumerate(registers))
    given = ", ".join(f"{vector} {register}" for register in registers)
    return (
        f"{function.ir_text}\ndefine void @user(ptr %0, ptr %1, ptr %2) {{\n{loads}"
        f"  %r = call {vector} @{function.symbol}({given})\n  store {vector} %r, ptr %2\n  ret void\n}}\n"
    )


@pytest.mark.parametrize("machine", [_AVX2, _ARM], ids=["avx2", "aarch64"])
@pytest.mark.parametrize("name", MATH_FUNCTIONS)
def test_single_precision_calls_nothing(name: str, machine: MachineSpec) -> None:
    listing = assembly(_user(name, 8, machine), machine)
    assert math_function(name, "float32", 8, ()).declarations == ()
    calls = re.finditer(r"^\s+(?:callq|bl)\s+(\S+)", listing, re.MULTILINE)
    called = {match[1].removesuffix("@PLT") for match in calls}
    # The cold reduction of large angles is part of the text itself.
    assert called <= {f"tondo_{name}_v8f32_reduce"}
    assert f"tondo_{name}_v8f32:" not in listing  # inlined, nothing left behind


@pytest.mark.parametrize("triple", ["riscv64-unknown-linux-gnu", "x86_64-unknown-linux-gnu"])
def test_all_functions_fit_into_one_module(triple: str) -> None:
    texts, declarations = [], set()
    for lanes in (1, 4, 8):
        for dtype in ("float32", "float64"):
            for name in MATH_FUNCTIONS:
                function = math_function(name, dtype, lanes, ())
                texts.append(function.ir_text)
                declarations.update(function.declarations)
    compile_many([Source("all", "\n".join([*sorted(declarations), *texts]))], MachineSpec(triple))


def test_features() -> None:
    assert machine_features(_AVX2) == {"fma"}
    assert machine_features(_ARM) == {"fma"}
    assert machine_features(MachineSpec("x86_64-unknown-linux-gnu")) == frozenset()
    assert "llvm.fma" in math_function("exp", "float32", 8, {"fma"}).ir_text
    assert "llvm.fma" not in math_function("exp", "float32", 8, {"avx2"}).ir_text


def test_refusals() -> None:
    with pytest.raises(KeyError):
        math_function("gamma", "float32", 8, ())
    with pytest.raises(ValueError, match="at least one lane"):
        math_function("exp", "float32", 0, ())


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="needs a long double wider than double")
@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.name)
def test_coefficients_reach_the_stated_error(fit: Fit) -> None:
    table = getattr(coefficients, fit.name)
    assert all(float(fit.dtype(value)) == value for value in table)
    assert error(fit, list(table)) <= fit.limit
    assert error(fit, solve(fit)) <= fit.limit
