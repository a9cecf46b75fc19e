"""The cost model, in exact cycles."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from kernels import Table, kernel, run

from tondo_npu_runtime.clock import Clock, Unit
from tondo_npu_runtime.isa import Fill, Opcode, Space, Transfer


def test_a_product_waits_for_its_operands() -> None:
    clock = Clock()
    clock.run(Unit.READ, 32, 64, writes=(1, 0))
    clock.run(Unit.ARRAY, 16, 32, [(1, 0)], (2, 0), updates=True)
    assert clock.end == 32 + 64 + 16 + 32
    assert clock.busy == [32, 0, 16, 0]


def test_a_transfer_runs_one_tile_ahead_and_not_two() -> None:
    clock = Clock()
    starts = []
    for _ in range(4):
        clock.run(Unit.READ, 10, 0, writes=(1, 0))
        starts.append(clock.free[Unit.READ] - 10)
        clock.run(Unit.ARRAY, 100, 0, [(1, 0)], (2, 0), updates=True)
    assert starts == [0, 10, 110, 210]
    assert clock.end == 10 + 4 * 100


def test_transfers_of_scattered_elements_pay_whole_bursts() -> None:
    cycles = {}
    for stride in (1, 2):
        t = Table()
        made = kernel(t, Transfer(Opcode.LOAD, 0, t.rows(0, stride), t.place(Space.SCRATCHPAD, 0, 1), (t(512),)))
        report = run(made, np.zeros(1024, np.float32), np.zeros(1, np.float32))
        assert report.loaded == 2048
        cycles[stride] = report.read
    assert cycles == {1: 2048 // 32 + 1, 2: 512 + 1}


def test_a_fill_is_work_of_the_unit_that_owns_the_memory() -> None:
    t = Table()
    report = run(kernel(t, Fill(t.place(Space.SCRATCHPAD, 0, 1), (t(512),), 0.0)), *[np.zeros(1, np.float32)] * 2)
    assert (report.vector, report.array, report.cycles) == (32, 0, 32)
    t = Table()
    report = run(kernel(t, Fill(t.place(Space.ACCUMULATOR, 0, 1), (t(512),), 0.0)), *[np.zeros(1, np.float32)] * 2)
    assert (report.vector, report.array, report.cycles) == (0, 2, 2)
