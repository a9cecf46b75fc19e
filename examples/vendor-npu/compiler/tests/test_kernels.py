"""From loops to instruction streams: each step computes what the function did, the interpreter is the witness."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from programs import agree, batched, convolution, matmul, npu, random, scheduled, simulated, tensor

from tondo.diagnostics import TondoError
from tondo.interp import run_tensor_function
from tondo.ir import Block, Compute, For, TensorFunction, Var, walk
from tondo.passes import Miss, RecordedChoices
from tondo.script import parse, script
from tondo.target import BASELINE_PROVIDERS
from tondo_npu.cost import seconds
from tondo_npu.generate import generate
from tondo_npu.intrinsics import INTRINSICS
from tondo_npu.machine import ACCUMULATOR_ATTR, SCRATCHPAD_ATTR, Chip
from tondo_npu.normal import Blocking, normal_form
from tondo_npu.rule import ProductRule
from tondo_npu.rule import scheduled as scheduled_by_hand
from tondo_npu.structure import Product, product_of
from tondo_npu_runtime.isa import Fill, Matmul, Opcode, Transfer, Vector
from tondo_npu_runtime.machine import MACHINE
from tondo_npu_runtime.profile import profile
from tondo_npu_runtime.simulate import Executable

few = settings(derandomize=True, deadline=None, max_examples=20)


def product(function: TensorFunction) -> Product:
    found = product_of(function)
    assert isinstance(found, Product)
    return found


@few
@given(st.integers(3, 12), st.integers(1, 5), st.integers(1, 20), st.sampled_from((1, 3)), st.sampled_from((1, 2)))
def test_convolutions(size: int, channels: int, filters: int, kernel: int, stride: int) -> None:
    function = convolution(size, channels, filters, n=2, kernel=kernel, stride=stride)
    inputs = random(function)
    normal = normal_form(product(function), Blocking(32, 16, 16)).function
    agree(run_tensor_function(normal, inputs)[0], function, inputs)
    schedule = scheduled(function)
    agree(run_tensor_function(schedule, inputs)[0], function, inputs)
    agree(simulated(schedule, function, inputs), function, inputs)


@few
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 70), st.booleans())
def test_matrix_products(m: int, n: int, k: int, epilogue: bool) -> None:
    function = matmul(m, n, k, epilogue=epilogue)
    inputs = random(function)
    agree(simulated(scheduled(function), function, inputs), function, inputs)


@few
@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_batched_products_with_transposed_operand_and_result(b: int, m: int, n: int, k: int) -> None:
    function = batched(b, m, n, k)
    inputs = random(function)
    agree(simulated(scheduled(function), function, inputs), function, inputs)


@pytest.mark.parametrize("rows_outside", [True, False])
@pytest.mark.parametrize("blocking", [(16, 16, 16), (48, 32, 16), (32, 64, 80), (96, 16, 48)])
def test_every_blocking_computes_the_same(blocking: tuple[int, int, int], rows_outside: bool) -> None:
    function = matmul(90, 50, 70)
    inputs = random(function)
    schedule = scheduled_by_hand(product(function), Blocking(*blocking), rows_outside=rows_outside)
    agree(run_tensor_function(schedule, inputs)[0], function, inputs)
    agree(simulated(schedule, function, inputs), function, inputs)


@pytest.mark.parametrize("groups", [2, 4])
def test_grouped_convolutions(groups: int) -> None:
    function = convolution(7, 8, 12, groups=groups)
    inputs = random(function)
    agree(simulated(scheduled(function), function, inputs), function, inputs)


def test_sizes_may_be_those_of_the_call() -> None:
    m, n, k = Var("m"), Var("n"), Var("k")
    function = matmul(m, n, k)
    schedule = scheduled(function)
    for sizes in ({"m": 1, "n": 1, "k": 1}, {"m": 130, "n": 40, "k": 17}, {"m": 16, "n": 16, "k": 300}):
        inputs = random(function, **sizes)
        agree(simulated(schedule, function, inputs, **sizes), function, inputs, **sizes)


def test_sizes_of_the_call_may_be_0() -> None:
    function = convolution(5, 3, 4, n=Var("batch"))
    schedule = scheduled(function)
    inputs = random(function, batch=0)
    assert simulated(schedule, function, inputs, batch=0).shape == (0, 4, 5, 5)
    function = matmul(Var("m"), 4, Var("k"), epilogue=False)
    inputs = random(function, m=3, k=0)
    assert not simulated(scheduled(function), function, inputs, m=3, k=0).any()


@pytest.mark.parametrize(
    "function",
    [matmul(128, 768, 768), matmul(16, 1000, 2048), batched(12, 128, 128, 64), convolution(14, 256, 256)],
    ids=["dense", "few rows", "batch", "convolution"],
)
def test_the_estimate_of_an_offer_is_what_the_simulator_counts_within_a_factor_of_two(function: TensorFunction) -> None:
    inputs = random(function)
    out = np.empty([extent.value for extent in function.output_buffers[0].shape], np.float32)
    with profile() as report:
        Executable(generate(scheduled(function), "npu.test"))(*inputs, out)
    estimate = seconds(product(function), Chip.of(npu())) * MACHINE.clock
    assert 0.5 < report.cycles / estimate < 2


def test_a_batch_of_pictures_may_be_of_any_size() -> None:
    function = convolution(9, 3, 5, n=Var("batch"), stride=2)
    schedule = scheduled(function)
    for batch in (1, 2, 5):
        inputs = random(function, batch=batch)
        agree(simulated(schedule, function, inputs, batch=batch), function, inputs, batch=batch)


def test_padding_never_takes_part_even_where_operands_are_infinite() -> None:
    function = matmul(5, 6, 7, epilogue=False)
    inputs = [np.full_like(array, np.inf) for array in random(function)]
    assert np.isposinf(simulated(scheduled(function), function, inputs)).all()


def test_holes_of_the_rule() -> None:
    function = matmul(200, 200, 200)
    context = RecordedChoices(npu(), INTRINSICS)
    ProductRule().apply(function, context)
    assert set(context.taken) == {"block", "outer"}
    made = scheduled(function, None, block=(64, 32, 16), outer="columns")
    text = script(made)
    assert text != script(scheduled(function))
    inputs = random(function)
    agree(simulated(made, function, inputs), function, inputs)


def test_blocks_fit_the_memories_of_the_target() -> None:
    function = matmul(120, 110, 130)
    target = npu(**{SCRATCHPAD_ATTR: 16384, ACCUMULATOR_ATTR: 4096})
    schedule = scheduled(function, target)
    kernel = generate(schedule, "npu.test")
    assert kernel.scratchpad <= 4096
    assert kernel.accumulators <= 1024
    inputs = random(function)
    agree(simulated(schedule, function, inputs), function, inputs)


def test_the_declared_instruction_is_what_the_inner_loops_become() -> None:
    schedule = scheduled(convolution(12, 16, 32))
    blocks = [item.attrs.get("intrinsic") for item in walk(schedule.body) if isinstance(item, Block)]
    assert "npu.matmul.16x16x16" in blocks
    scopes = {item.scope for item in walk(schedule.body) if hasattr(item, "scope")}
    assert {"npu.scratchpad", "npu.accumulator", "global"} == scopes
    assert parse(script(schedule)).functions[schedule.name] == schedule


def test_streams_are_a_handful_of_instructions() -> None:
    kernel = generate(scheduled(convolution(28, 64, 64)), "npu.test")
    kinds = [type(item) for item in kernel.code]
    assert kinds.count(Matmul) == 1
    assert kinds.count(Fill) == 1
    assert kinds.count(Vector) == 1
    transfers = [item.opcode for item in kernel.code if isinstance(item, Transfer)]
    assert sorted(transfers) == [Opcode.LOAD] * 4 + [Opcode.STORE]


def test_other_machines_have_no_such_rule() -> None:
    host = BASELINE_PROVIDERS[0].make("native")
    found = ProductRule().apply(matmul(8, 8, 8), RecordedChoices(host, ()))
    assert isinstance(found, Miss)
    assert "no instruction 'npu.matmul.16x16x16'" in found.reason


def test_what_has_no_instruction_is_refused_with_a_code() -> None:
    b = Compute("sum")
    x = b.input("x", tensor(8, 8))
    function = b.build(b.reduce("y", (8,), (8,), lambda i, k: x[i, k]))
    with pytest.raises(TondoError) as info:
        generate(function, "npu.test")
    assert info.value.code == "TND-B004"


def test_loops_of_one_iteration_leave_no_trace() -> None:
    kernel = generate(scheduled(matmul(16, 16, 16)), "npu.test")
    assert not any(type(item).__name__ in {"Loop", "Next"} for item in kernel.code)
    assert any(isinstance(item, For) for item in walk(matmul(16, 16, 16).body))
