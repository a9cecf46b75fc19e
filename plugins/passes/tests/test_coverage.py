"""Statements that write all they read: the proof, and allocations that part on its strength."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tondo.arith import Analyzer
from tondo.ir import Allocate, Seq, TensorFunction, walk
from tondo.script import parse
from tondo_passes.tensor import CompactBuffers
from tondo_passes.tensor.coverage import covers

if TYPE_CHECKING:
    from collections.abc import Callable

    Helper = Callable[..., list[np.ndarray]]


def function(*lines: str) -> TensorFunction:
    text = "@tensor_function\ndef f(A: Buffer((64,)), B: Buffer((64,))):\n"
    text += "    T = allocate((64,), 'float32', scope='local')\n"
    return parse(text + "".join(f"    {line}\n" for line in lines)).tensor("f")


def whole(*lines: str) -> bool:
    item = function(*lines).body
    assert isinstance(item, Allocate)
    stmts = item.body.stmts if isinstance(item.body, Seq) else (item.body,)
    return covers(stmts, item.buffer, Analyzer())


READ = ("for k in serial(0, 32):", "    B[k] = T[k + 8]")


@pytest.mark.parametrize(
    ("store", "proven"),
    [
        (("for i in serial(0, 32):", "    T[i + 8] = A[i]"), True),
        (("for i in serial(0, 4):", "    for j in serial(0, 8):", "        T[i * 8 + j + 8] = A[i]"), True),
        (("for i in serial(0, 5):", "    for j in serial(0, 8):", "        T[min(i * 8, 24) + j + 8] = A[i]"), True),
        (("for i in serial(0, 31):", "    T[i + 8] = A[i]"), False),
        (("for i in serial(0, 40):", "    T[i + 9] = A[i]"), False),
        (("for i in serial(0, 32):", "    T[i * 2 + 1] = A[i]"), False),
        (("for i in serial(0, 4):", "    for j in serial(0, 7):", "        T[i * 8 + j + 8] = A[i]"), False),
        (("for i in serial(0, 5):", "    for j in serial(0, 7):", "        T[min(i * 8, 24) + j + 8] = A[i]"), False),
        (("for i in serial(0, 32):", "    T[i + 8] = A[i] + T[i]"), False),
        (("for i in serial(0, 32):", "    if i > 1:", "        T[i + 8] = A[i]"), False),
    ],
)
def test_what_is_read_has_to_be_written(store: tuple[str, ...], *, proven: bool) -> None:
    assert whole(*store, *READ) is proven


def test_statements_that_need_nothing_of_each_other_get_buffers_of_their_own(
    evaluate: Helper, random_inputs: Helper
) -> None:
    made = function(
        "for i in serial(0, 3):",
        "    for j in serial(0, 16):",
        "        T[i * 16 + j] = A[i * 16 + j] * 2.0",
        "    for k in serial(0, 16):",
        "        B[i * 16 + k] = T[i * 16 + k] + 1.0",
        "for m in serial(0, 16):",
        "    T[48 + m] = A[48 + m] * 2.0",
        "for n in serial(0, 16):",
        "    B[48 + n] = T[48 + n] + 1.0",
    )
    compact = CompactBuffers().apply(made)
    buffers = [item.buffer for item in walk(compact.body) if isinstance(item, Allocate)]
    assert [int(extent.value) for buffer in buffers for extent in buffer.shape] == [16, 16]
    assert len({buffer.name for buffer in buffers}) == 2
    inputs = random_inputs(made)
    np.testing.assert_array_equal(evaluate(compact, inputs)[0], inputs[0] * 2 + 1)


def test_a_later_statement_that_overwrites_a_part_keeps_the_buffer(evaluate: Helper, random_inputs: Helper) -> None:
    made = function(
        "for i in serial(0, 64):",
        "    T[i] = A[i]",
        "for j in serial(0, 8):",
        "    T[j] = 0.0",
        "for k in serial(0, 64):",
        "    B[k] = T[k]",
    )
    compact = CompactBuffers().apply(made)
    assert len([item for item in walk(compact.body) if isinstance(item, Allocate)]) == 1
    inputs = random_inputs(made)
    expected = np.where(np.arange(64) < 8, 0, inputs[0]).astype(np.float32)
    np.testing.assert_array_equal(evaluate(compact, inputs)[0], expected)
