"""``tondo ffi``: functions by name, from the packages and from a user's file."""

from __future__ import annotations

from pathlib import Path

import pytest

import tondo_runtime

FILE = '''
import tondo.ffi

@tondo.ffi.register("cli.test.scale", override=True)
def scale(x, y, *, factor):
    """Multiply by a number."""
    y[...] = factor * x

tondo.ffi.register_library("libc.so.6", {"cli.test.abs": ("abs", "int -> int")}, override=True)
'''


@pytest.fixture(autouse=True)
def _clean():
    yield
    for name in tondo_runtime.names():
        if name.startswith("cli.test."):
            tondo_runtime.remove(name)


def test_functions_of_a_file_are_listed(tondo) -> None:
    Path("functions.py").write_text(FILE)
    found = tondo("ffi", "list", "cli.test.*", "--load", "functions.py", "--json").json["functions"]
    assert [info["name"] for info in found] == ["cli.test.abs", "cli.test.scale"]
    native, python = found
    assert (native["kind"], native["defined"]) == ("native", "libc.so.6:abs (int32 -> int32)")
    assert (python["kind"], python["summary"]) == ("python", "Multiply by a number.")
    assert python["defined"].endswith("functions.py:4")
    text = tondo("ffi", "list", "cli.test.*", "--load", "functions.py").out
    assert "cli.test.scale" in text
    assert "Multiply by a number." in text


def test_functions_of_packages_name_their_package(tondo) -> None:
    found = tondo("ffi", "list", "tondo.random.*", "--json").json["functions"]
    assert [(info["name"], info["distribution"]) for info in found] == [("tondo.random.key", "tondo-runtime")]
    done = tondo("ffi", "show", "tondo.random.key")
    assert "distribution: tondo-runtime" in done.out
    assert "kind: python" in done.out


def test_mistakes_are_told(tondo) -> None:
    done = tondo("ffi", "show", "tondo.random.kay")
    assert done.status == 9
    assert "did you mean 'tondo.random.key'" in done.err
    assert tondo("ffi", "list", "--load", "missing.py").status == 2
    done = tondo("ffi", "list", "--load", "no.such.module")
    assert done.status == 2
    assert "ModuleNotFoundError" in done.err
    Path("broken.py").write_text("1 / 0")
    assert "ZeroDivisionError" in tondo("ffi", "list", "--load", "broken.py").err
