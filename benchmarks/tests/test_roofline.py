"""Work of kernels by hand-counted examples, and judging them."""

from __future__ import annotations

import pytest

from tondo.ir import FLOAT32, INT64, Compute, TensorType, Var, dims
from tondo_bench import handwritten
from tondo_bench.roofline import Work, below, judge, large, reason_of, work_of, works_of


def tensor(*shape, dtype=FLOAT32):
    return TensorType(dims(shape), dtype)


def test_work_of_a_matrix_product():
    build = Compute("product")
    a, b = build.input("a", tensor(6, 10)), build.input("b", tensor(10, 7))
    function = build.build(build.reduce("c", (6, 7), (10,), lambda i, j, k: a[i, k] * b[k, j]))
    assert work_of(function) == Work("dense", 2 * 6 * 7 * 10, 4 * (60 + 70 + 42))


def test_work_of_a_depthwise_product_is_not_dense():
    build = Compute("depthwise")
    a, b = build.input("a", tensor(8, 10)), build.input("b", tensor(8, 10))
    work = work_of(build.build(build.reduce("c", (8,), (10,), lambda i, k: a[i, k] * b[i, k])))
    assert work is not None
    assert (work.kind, work.flops) == ("contraction", 160)


def test_a_lookup_moves_what_it_reads():
    build = Compute("lookup")
    table, index = build.input("table", tensor(1000, 4)), build.input("index", tensor(3, dtype=INT64))
    work = work_of(build.build(build.compute("rows", (3, 4), lambda i, j: table[index[i], j])))
    assert work is not None
    assert work.bytes == 4 * 12 + 4 * 12 + 8 * 3


def test_symbolic_sizes_have_no_known_work():
    build = Compute("symbolic")
    a = build.input("a", tensor(Var("n")))
    assert work_of(build.build(build.compute("b", (Var("n"),), lambda i: a[i] + a[i]))) is None


def test_work_of_the_handwritten_contraction():
    work = works_of(handwritten.module())["contraction"]
    points = handwritten.BATCH * handwritten.ROWS * handwritten.COLUMNS
    assert work.kind == "dense"
    assert work.flops == points * (2 * handwritten.DEPTH + 2)


def kernel(name, flops, moved, best, kind="dense"):
    work = {"kind": kind, "flops": int(flops), "bytes": int(moved)}
    return {"name": name, "executions": 2, "best": best, "median": 2 * best, "work": work}


def test_sizes_of_a_contraction_and_what_they_say():
    build = Compute("product")
    a, b = build.input("a", tensor(6, 10)), build.input("b", tensor(10, 7))
    work = work_of(build.build(build.reduce("c", (6, 7), (10,), lambda i, j, k: a[i, k] * b[k, j])))
    assert work is not None
    assert work.sizes == (6, 7, 10, 1)
    values = {"name": "k", "executions": 1, "best": 1e-3, "median": 1e-3}
    facts = {"kind": "dense", "flops": 100, "bytes": 1, "sizes": work.sizes, "multiply_adds": 80}
    reason = reason_of({**values, "work": facts}, facts, 0.5e-3)
    assert reason == (
        "6 rows fill no register tile; 7 columns fill few vectors; sums of 10: storing them weighs; "
        "20% of the operations are no multiply-adds; moving its bytes takes 50% of the time"
    )
    plain = {"kind": "dense", "flops": 100, "bytes": 1}
    assert reason_of({**values, "work": plain}, plain, 0.0) == "none that its facts tell"


def test_kernels_are_set_against_the_limit_that_takes_longer():
    report = {
        "peak_flops": 100e9,
        "peak_bytes": 10e9,
        "kernels": [
            kernel("fast", 100e6, 1e6, 1.1e-3),
            kernel("slow", 100e6, 1e6, 2e-3),
            kernel("small", 10e6, 1e3, 1.0),
            kernel("thin", 60e6, 100e6, 20e-3),
            {"name": "unknown", "executions": 1, "best": 1.0, "median": 1.0, "work": None},
        ],
    }
    judged = judge(report)
    assert [found.name for found in judged] == ["fast", "slow", "small", "thin"]
    assert [found.bound for found in judged] == ["compute", "compute", "compute", "memory"]
    assert [found.share for found in judged] == pytest.approx([1 / 1.1, 0.5, 1e-4, 0.5])
    assert judged[0].gflops == pytest.approx(100 / 1.1)
    assert judged[3].gbytes == pytest.approx(5.0)
    assert [found.name for found in large(judged)] == ["fast", "slow"]
    assert [found.name for found in below(judged)] == ["slow"]
