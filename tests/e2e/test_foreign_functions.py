"""Foreign functions called from tensor functions and graphs: interpreter and code agree, native stays native.

The C functions are those of the C library, by signature; a call that enters Python is counted by the trampoline.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

import tondo
import tondo.ffi
import tondo_runtime
from tondo.diagnostics import TondoError
from tondo.driver import Model
from tondo.interp import run_graph
from tondo.script import parse, script
from tondo_ops import OPERATORS
from tondo_runtime import RuntimeFailure, register_library

pytestmark = pytest.mark.llvm

ROWS = """
@tensor_function
def rows(n: int64, x: Buffer((n, 8), "float32"), y: Buffer((n, 8), "float32")):
    for i in parallel(0, n):
        xi = view(x, i * 32, (8,), "float32")
        yi = view(y, i * 32, (2, 4), "float32")
        invoke_packed("e2e.row", yi, xi, 32)
        invoke_packed("e2e.whole", x, i, 0.5)

@tensor_function
def shifted(n: int64, x: Buffer((n, 8), "float32"), y: Buffer((n, 8), "float32")):
    invoke_packed("e2e.copy", y, x, n * 32)
    for i in serial(0, n):
        for j in serial(0, 8):
            y[i, j] = y[i, j] + 1.0

@graph_function
def main(x: Tensor((n, 8), "float32")):
    a: Tensor((n, 8), "float32") = call_dps("rows", x, scalars=(n,))
    b: Tensor((n, 8), "float32") = call_dps("shifted", a, scalars=(n,))
    c: Tensor((n, 8), "float32") = call("add", b, x)
    return (c,)
"""
COPY = ("memcpy", "void*, const void*, uint64")


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    before = set(tondo_runtime.names())
    yield
    for name in set(tondo_runtime.names()) - before:
        tondo_runtime.remove(name)


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Handles with which native code entered Python."""
    seen: list[int] = []
    real = tondo_runtime.trampoline._handles

    class Counting:
        def get(self, handle: int) -> object:
            seen.append(handle)
            return real.get(handle)

        def __setitem__(self, handle: int, value: tondo_runtime.trampoline.Handle) -> None:
            real[handle] = value

    monkeypatch.setattr("tondo_runtime.trampoline._handles", Counting())
    return seen


def compiled(text: str) -> Model:
    return tondo.compile(parse(text), config={"cache": False, "verify": "each-pass"}, threads=2)


def inputs(n: int) -> np.ndarray:
    return np.random.default_rng(n).standard_normal((n, 8)).astype(np.float32)


def test_tensor_functions_call_python_with_the_shapes_they_name() -> None:
    shapes: set[object] = set()
    lock = threading.Lock()

    def row(y: np.ndarray, x: np.ndarray, size: int) -> None:
        assert size == 32
        y[...] = 2 * x.reshape(2, 4)

    def whole(x: np.ndarray, i: int, half: float) -> None:
        with lock:
            shapes.add((x.shape, i < x.shape[0], half))

    def copy(y: np.ndarray, x: np.ndarray, size: int) -> None:
        assert size == x.nbytes
        y[...] = x

    for name, function in {"e2e.row": row, "e2e.whole": whole, "e2e.copy": copy}.items():
        tondo.ffi.register(name, function)
    module = parse(ROWS)
    assert parse(script(module)) == module
    model = compiled(ROWS)
    for n in (1, 7, 300):
        shapes.clear()
        x = inputs(n)
        expected = 2 * x + 1 + x
        np.testing.assert_array_equal(run_graph(module, [x], OPERATORS)[0], expected)
        np.testing.assert_array_equal(model(x), expected)
        assert shapes == {((n, 8), True, 0.5)}


def test_native_functions_are_called_without_python(entered: list[int]) -> None:
    register_library("libc.so.6", {"e2e.row": COPY, "e2e.copy": COPY})
    tondo.ffi.register("e2e.whole", lambda *_: None)
    text = ROWS.replace('        invoke_packed("e2e.whole", x, i, 0.5)\n', "")
    model = compiled(text)
    assert all(tondo.ffi.get(name).is_native for name in ("e2e.row", "e2e.copy"))
    entered.clear()
    x = inputs(64)
    np.testing.assert_array_equal(model(x), x + 1 + x)
    assert entered == []
    with_python = compiled(ROWS)
    entered.clear()
    np.testing.assert_array_equal(with_python(x), x + 1 + x)
    assert len(entered) == 64, "one for each row that tells Python"


def test_native_failure_in_a_parallel_loop_says_why() -> None:
    register_library("libc.so.6", {"e2e.fail": ("abs", "int32 -> status")})
    text = """
@tensor_function
def rows(n: int64, x: Buffer((n, 8), "float32"), y: Buffer((n, 8), "float32")):
    for i in parallel(0, n):
        invoke_packed("e2e.fail", i // 200 * 3)
        y[i, 0] = x[i, 0]

@graph_function
def main(x: Tensor((n, 8), "float32")):
    a: Tensor((n, 8), "float32") = call_dps("rows", x, scalars=(n,))
    return (a,)
"""
    model = compiled(text)
    for _ in range(3):
        np.testing.assert_array_equal(model(inputs(200))[:, 0], inputs(200)[:, 0])
        with pytest.raises(RuntimeFailure, match=r"'e2e\.fail' returned the status 3") as info:
            model(inputs(400))
        assert info.value.code == "TND-R001"


def test_arguments_that_a_native_function_refuses_are_named() -> None:
    register_library("libc.so.6", {"e2e.abs": ("abs", "int8 -> int32")})
    text = """
@tensor_function
def f(n: int64, x: Buffer((n,), "float32"), y: Buffer((n,), "float32")):
    invoke_packed("e2e.abs", n)
    for i in serial(0, n):
        y[i] = x[i]

@graph_function
def main(x: Tensor((n,), "float32")):
    a: Tensor((n,), "float32") = call_dps("f", x, scalars=(n,))
    return (a,)
"""
    model = compiled(text)
    np.testing.assert_array_equal(model(np.ones(3, np.float32)), np.ones(3))
    with pytest.raises(RuntimeFailure, match=r"argument 0 of 'e2e\.abs' is 300, which does not fit int8"):
        model(np.ones(300, np.float32))


GRAPH = """
@graph_function
def main(x: Tensor((n,), "float32")):
    y: Tensor((n,), "float32") = call_packed("e2e.first", x)
    call_packed("e2e.say", y, effect="io", results=())
    z: Tensor((n,), "float32") = call_packed("e2e.bump", y, effect="inplace")
    call_packed("e2e.say", z, effect="io", results=())
    w: Tensor((n,), "float32") = call_packed("e2e.bump", z, effect="inplace")
    call_packed("e2e.say", w, effect="io", results=())
    unused: Tensor((n,), "float32") = call_packed("e2e.unused", x)
    return (y, w)
"""


def test_graph_calls_keep_their_order_and_leave_out_unused_pure_ones() -> None:
    said: list[float] = []

    def bump(x: np.ndarray) -> None:
        x += 1

    def first(x: np.ndarray, y: np.ndarray) -> None:
        y[...] = 10 * x

    tondo.ffi.register("e2e.first", first)
    tondo.ffi.register("e2e.bump", bump)
    tondo.ffi.register("e2e.say", lambda x: said.append(float(x[0])))
    model = compiled(GRAPH)
    x = np.ones(3, np.float32)
    y, w = model(x)
    np.testing.assert_array_equal(y, [10, 10, 10])
    np.testing.assert_array_equal(w, [12, 12, 12])
    assert said == [10, 11, 12]
    np.testing.assert_array_equal(x, 1)


def test_exceptions_of_python_functions_keep_message_cause_and_traceback_in_worker_threads() -> None:
    def row(y: np.ndarray, x: np.ndarray, size: int) -> None:
        del y, size
        if x[0] > 5:
            raise LookupError(f"no row for {x[0]:.0f}")

    tondo.ffi.register("e2e.row", row)
    tondo.ffi.register("e2e.whole", lambda *_: None)
    register_library("libc.so.6", {"e2e.copy": COPY})
    model = compiled(ROWS)
    x = np.zeros((400, 8), np.float32)
    x[399] = 9
    with pytest.raises(RuntimeFailure, match="LookupError: no row for 9") as info:
        model(x)
    assert isinstance(info.value.__cause__, LookupError)
    assert "in row" in info.value.notes[0]
    assert "LookupError: no row for 9" in info.value.notes[0]


def test_a_call_of_constants_waits_for_the_function() -> None:
    """Compiling does not need the function; loading does."""
    text = """
@tensor_function
def f(x: Buffer((4,), "float32"), y: Buffer((4,), "float32")):
    invoke_packed("e2e.later", x, y)

@graph_function
def main(x: Tensor((4,), "float32")):
    k: Tensor((4,), "float32") = call_dps("f", x)
    return (k,)
"""
    with pytest.raises((RuntimeFailure, TondoError), match=r"e2e\.later"):
        compiled(text)
    tondo.ffi.register("e2e.later", lambda x, y: y.__setitem__(slice(None), x + 1))
    np.testing.assert_array_equal(compiled(text)(np.zeros(4, np.float32)), np.ones(4))
