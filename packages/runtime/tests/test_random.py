from __future__ import annotations

import os

import numpy as np
import pytest

import tondo_runtime
from tondo_runtime import RuntimeFailure


def draw():
    out = np.empty(2, np.int64)
    tondo_runtime.get("tondo.random.key")(out)
    return tuple(out.tolist())


def test_a_seed_starts_the_keys_anew():
    tondo_runtime.seed(3)
    assert [draw(), draw(), draw()] == [(3, 0), (3, 1), (3, 2)]
    tondo_runtime.seed(4)
    assert draw() == (4, 0)


@pytest.mark.parametrize("value", [-1, 1 << 63, 1.5, True, "3"])
def test_a_seed_is_a_number(value):
    with pytest.raises(RuntimeFailure, match="TND-U005"):
        tondo_runtime.seed(value)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_does_not_repeat_the_keys_of_its_parent():
    tondo_runtime.seed(5)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, str(draw()[0]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(read, 100)) != 5
    assert draw() == (5, 0)
