"""The functions by name: found by their scheme, right in themselves, refused with a code where they cannot be."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import numpy as np
import pytest

from tondo_blas import runtime
from tondo_blas.runtime import PLAIN, ROW_MAJOR, TRANSPOSED
from tondo_runtime.errors import RuntimeFailure
from tondo_runtime.registry import get


@pytest.mark.parametrize(("name", "kind"), [("sgemm", np.float32), ("dgemm", np.float64)])
def test_a_product(name, kind, numbers):
    a, b, c = numbers(5, 7, kind=kind), numbers(6, 7, kind=kind, seed=1), numbers(5, 6, kind=kind, seed=2)
    expected = a @ b.T + c
    get("openblas:threads")(1)
    get(f"openblas:{name}")(ROW_MAJOR, PLAIN, TRANSPOSED, 5, 6, 7, 1.0, a, 7, b, 7, 1.0, c, 6)
    np.testing.assert_allclose(c, expected, rtol=1e-5)


def test_other_names_are_not_found():
    with pytest.raises(RuntimeFailure) as caught:
        get("openblas:cgemm")
    assert caught.value.code == "TND-R002"


def test_sizes_beyond_32_bits_are_refused(numbers):
    a = numbers(2, 2)
    with pytest.raises(RuntimeFailure):
        get("openblas:sgemm")(ROW_MAJOR, PLAIN, PLAIN, 1 << 40, 2, 2, 1.0, a, 2, a, 2, 0.0, a, 2)


def test_without_openblas_the_message_names_it(monkeypatch):
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda name: None)
    runtime._library.cache_clear()
    try:
        with pytest.raises(RuntimeFailure, match="OpenBLAS is not installed"):
            runtime.resolve("sgemm")
    finally:
        runtime._library.cache_clear()


def test_a_library_that_lacks_the_function(monkeypatch):
    monkeypatch.setattr(runtime, "_library", lambda: ctypes.CDLL(None))
    with pytest.raises(RuntimeFailure, match="scipy_cblas_sgemm"):
        runtime.resolve("sgemm")


def test_the_compiler_is_not_needed_to_run():
    program = "import sys; sys.modules['tondo'] = None; from tondo_runtime.registry import get; get('openblas:sgemm')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_plugin_does_not_load_openblas():
    program = "import tondo_blas.plugin, sys; from tondo.plugin import collect; print(list(collect().libraries)); " + (
        "import ctypes; maps = open('/proc/self/maps').read(); assert 'scipy_openblas32' not in maps"
    )
    if sys.platform == "linux":
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "openblas" in done.stdout
