"""The simulator executes what the instruction set says, within the memories that there are."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
from kernels import Table, kernel, run

from tondo_npu_runtime.isa import (
    FIRST_AXIS,
    FIRST_DIGIT,
    NO_MODULUS,
    Affine,
    Digit,
    Fill,
    Kernel,
    Loop,
    Matmul,
    Next,
    Opcode,
    Place,
    Space,
    Step,
    Tile,
    Transfer,
)
from tondo_npu_runtime.machine import Machine
from tondo_npu_runtime.simulate import Executable
from tondo_runtime import RuntimeFailure

PAD, ACC = Space.SCRATCHPAD, Space.ACCUMULATOR


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def copy(t: Table, rows: int, columns: int, source: int = 0) -> Kernel:
    """A kernel that copies a matrix through the scratchpad."""
    axes = (t(rows), t(columns))
    inside = t.place(PAD, 5, columns, 1)
    return kernel(
        t,
        Transfer(Opcode.LOAD, 0, t.rows(source, columns, 1), inside, axes),
        Transfer(Opcode.STORE, 1, t.rows(0, columns, 1), inside, axes),
    )


def test_elements_go_through_the_scratchpad() -> None:
    x, y = floats(6, 9), np.zeros((6, 9), np.float32)
    report = run(copy(Table(), 6, 9), x, y)
    np.testing.assert_array_equal(x, y)
    assert (report.loaded, report.stored) == (216, 216)


def test_arguments_may_be_strided_views() -> None:
    t = Table()
    x, y = floats(6, 18)[:, ::2], np.zeros((6, 30), np.float32)[:, :9]
    axes, inside = (t(6), t(9)), t.place(PAD, 0, 9, 1)
    made = kernel(
        t,
        Transfer(Opcode.LOAD, 0, t.rows(0, 18, 2), inside, axes),
        Transfer(Opcode.STORE, 1, t.rows(0, 30, 1), inside, axes),
    )
    run(made, x, y)
    np.testing.assert_array_equal(x, y)


def test_a_window_with_zeros_around_needs_no_copy_in_memory() -> None:
    """im2col of a padded picture: digits take pixel and tap apart, guards say what lies outside."""
    t = Table()
    height = width = 5
    pixel, tap = FIRST_AXIS, FIRST_AXIS + 1
    digits = (
        Digit(t.affine(0, (pixel, 1)), t(width), NO_MODULUS),
        Digit(t.affine(0, (pixel, 1)), t(1), t(width)),
        Digit(t.affine(0, (tap, 1)), t(3), NO_MODULUS),
        Digit(t.affine(0, (tap, 1)), t(1), t(3)),
    )
    y, x, p, q = range(FIRST_DIGIT, FIRST_DIGIT + 4)
    guards = (
        t.affine(-1, (y, 1), (p, 1)),
        t.affine(height, (y, -1), (p, -1)),
        t.affine(-1, (x, 1), (q, 1)),
        t.affine(width, (x, -1), (q, -1)),
    )
    outside = t.affine(-width - 1, (y, width), (p, width), (x, 1), (q, 1))
    axes, inside = (t(25), t(9)), t.place(PAD, 0, 9, 1)
    made = kernel(
        t,
        Transfer(Opcode.LOAD, 0, outside, inside, axes, digits, guards),
        Transfer(Opcode.STORE, 1, t.rows(0, 9, 1), inside, axes),
    )
    image, columns = floats(height, width), np.empty((25, 9), np.float32)
    run(made, image, columns)
    padded = np.pad(image, 1)
    wanted = np.stack([padded[i : i + 3, j : j + 3].ravel() for i in range(5) for j in range(5)])
    np.testing.assert_array_equal(columns, wanted)


def product(t: Table, rows: int, columns: int, depth: int, lda: int) -> Kernel:
    """A kernel that multiplies ``rows x depth`` by ``depth x columns`` tiles of 16."""
    m, n, k = 16 * rows, 16 * columns, 16 * depth
    a, b, c = t.place(PAD, 0, lda, 1), t.place(PAD, m * lda, n, 1), t.place(ACC, 0, n, 1)
    tiles = (
        Tile(t.place(PAD, 0, 16 * lda, 0, 16), t(lda)),
        Tile(t.place(PAD, m * lda, 0, 16, 16 * n), t(n)),
        Tile(t.place(ACC, 0, 16 * n, 16, 0), t(n)),
    )
    return kernel(
        t,
        Transfer(Opcode.LOAD, 0, t.rows(0, k, 1), a, (t(m), t(k))),
        Transfer(Opcode.LOAD, 1, t.rows(0, n, 1), b, (t(k), t(n))),
        Fill(c, (t(m), t(n)), 0.0),
        Matmul(*tiles, (t(rows), t(columns), t(depth))),
        Transfer(Opcode.STORE, 2, t.rows(0, n, 1), c, (t(m), t(n))),
        buffers=3,
        scratchpad=16384,
        accumulators=4096,
    )


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 7))
def test_products_of_any_number_of_tiles(rows: int, columns: int, depth: int, gap: int) -> None:
    a, b = floats(16 * rows, 16 * depth), floats(16 * depth, 16 * columns)
    c = np.empty((16 * rows, 16 * columns), np.float32)
    report = run(product(Table(), rows, columns, depth, 16 * depth + gap), a, b, c)
    np.testing.assert_allclose(c, a.astype(np.float64) @ b, rtol=1e-5, atol=1e-5)
    assert report.multiply_adds == rows * columns * depth * 4096


def test_axes_that_form_no_matrix_are_gone_through_one_by_one() -> None:
    t = Table()
    tiles = (
        Tile(t.place(PAD, 0, 256, 0), t(16)),
        Tile(t.place(PAD, 1024, 256, 0), t(16)),
        Tile(t.place(ACC, 0, 256, 0), t(16)),
    )
    inputs, ones = t.place(PAD, 0, 1), t.place(ACC, 0, 1)
    made = kernel(
        t,
        Transfer(Opcode.LOAD, 0, t.rows(0, 1), inputs, (t(2048),)),
        Fill(ones, (t(1024),), 1.0),
        Matmul(*tiles, (t(4), t(2))),
        Transfer(Opcode.STORE, 1, t.rows(0, 1), ones, (t(1024),)),
    )
    x, y = floats(2, 4, 16, 16), np.empty((4, 16, 16), np.float32)
    run(made, x, y)
    np.testing.assert_allclose(y, 1 + 2 * (x[0].astype(np.float64) @ x[1]), rtol=1e-4, atol=1e-4)


def test_loops_move_addresses_and_sizes_come_with_the_call() -> None:
    t = Table()
    rows = t.program((Step.SCALAR, 0))
    row = Affine(t(0), ((0, t(8)), (FIRST_AXIS, t(1))))
    inside = t.place(PAD, 0, 1)
    made = kernel(
        t,
        Loop(rows),
        Transfer(Opcode.LOAD, 0, row, inside, (t(8),)),
        Transfer(Opcode.STORE, 1, row, inside, (t(8),)),
        Next(),
        scalars=1,
    )
    execute = Executable(made)
    for count in (3, 1, 0, 3):
        x, y = floats(3, 8), np.zeros((3, 8), np.float32)
        execute(count, x, y)
        np.testing.assert_array_equal(y[:count], x[:count])
        assert not y[count:].any()


def test_addresses_outside_are_errors_that_name_the_place() -> None:
    t = Table()
    beyond = kernel(t, Fill(t.place(PAD, 4090, 1), (t(7),), 0.0))
    with pytest.raises(RuntimeFailure, match="instruction 0: FILL leaves the scratchpad: element 4096 of 4096") as info:
        run(beyond, floats(1), floats(1))
    assert info.value.code == "TND-R003"
    t = Table()
    with pytest.raises(RuntimeFailure, match="LOAD leaves argument 0: element 57 of 54"):
        run(copy(t, 6, 9, source=4), floats(6, 9), floats(6, 9))
    t = Table()
    before = kernel(t, Fill(Place(ACC, t.rows(-1, 1)), (t(3),), 0.0))
    with pytest.raises(RuntimeFailure, match="the accumulators: element -1 of 1024"):
        run(before, floats(1), floats(1))


def test_wrong_arguments_are_refused() -> None:
    made = copy(Table(), 6, 9)
    with pytest.raises(RuntimeFailure, match="takes 0 sizes and 2 arrays"):
        run(made, floats(6, 9))
    with pytest.raises(RuntimeFailure, match="float64 elements"):
        run(made, np.zeros((6, 9)), floats(6, 9))


def test_a_kernel_that_does_not_fit_the_chip_is_refused() -> None:
    with pytest.raises(RuntimeFailure, match="needs 4096 elements of the scratchpad, this chip has 1024") as info:
        Executable(copy(Table(), 6, 9), Machine(scratchpad=1024))
    assert info.value.code == "TND-A002"


def test_a_size_of_zero_as_divisor_is_an_error() -> None:
    t = Table()
    digit = Digit(t.affine(0, (FIRST_AXIS, 1)), t.program((Step.SCALAR, 0)), NO_MODULUS)
    outside = t.affine(0, (FIRST_DIGIT, 1))
    made = kernel(t, Transfer(Opcode.LOAD, 0, outside, t.place(PAD, 0, 1), (t(4),), (digit,)), scalars=1)
    with pytest.raises(RuntimeFailure, match="divides by a size that is not positive"):
        run(made, 0, floats(4), floats(4))


def test_threads_do_not_share_device_memory() -> None:
    execute = Executable(copy(Table(), 60, 60))
    failures: list[int] = []

    def work(seed: int) -> None:
        x, y = np.full((60, 60), seed, np.float32), np.empty((60, 60), np.float32)
        for _ in range(50):
            execute(x, y)
            if not np.array_equal(x, y):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
