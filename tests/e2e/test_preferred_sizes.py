"""Bounds and preferred sizes of dimensions: one artifact with fast versions, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.seeds import Seed, seeds
from reference import of_size, session

import tondo
import tondo_runtime
from tondo.diagnostics import TondoError
from tondo.ir import If, IRModule
from tondo.script import parse, script
from tondo_runtime import RuntimeFailure

pytestmark = pytest.mark.llvm


@pytest.fixture(scope="module")
def attention() -> Seed:
    """Self-attention over ``[batch, seq, 8]``."""
    return next(seed for seed in seeds() if seed.name == "attention")


def compiled(seed: Seed, dimensions: dict[str, object]):
    config = {"dimensions": dimensions, "codegen": {"use": "llvm", "opt_level": 1}}
    return tondo.compile(seed.model, threads=1, config=config)


def kernels_of(model, array) -> set[str]:
    with model.profile() as profile:
        model(array)
    return {line.split()[0] for line in profile.format().splitlines()[1:]}


def test_versions_for_preferred_sizes_and_one_for_any(attention, tmp_path):
    model = compiled(attention, {"batch": {"prefer": [1]}, "seq": {"max": 64, "prefer": [1, 16]}})
    engine = session(attention.model)
    model.save(tmp_path / "model.tondo")
    with tondo_runtime.load(tmp_path / "model.tondo", threads=1) as loaded:
        for batch, seq in ((1, 1), (1, 16), (1, 7), (2, 16), (3, 5), (1, 64)):
            x = np.random.default_rng(batch * seq).standard_normal((batch, seq, 8), np.float32)
            (expected,) = engine.run(None, {"x": x})
            assert of_size(model(x), expected) < 1e-5, (batch, seq)
            assert of_size(loaded(x), expected) < 1e-5, (batch, seq)


def test_the_entry_chooses_by_the_sizes_of_the_call(attention):
    model = compiled(attention, {"batch": {"prefer": [1]}, "seq": {"prefer": [16]}})
    fast = kernels_of(model, np.ones((1, 16, 8), np.float32))
    other = kernels_of(model, np.ones((2, 16, 8), np.float32))
    assert fast
    assert all(name.endswith("_batch1_seq16") for name in fast), fast
    assert not fast & other


def test_versions_share_constants_and_equal_kernels(attention):
    plain = compiled(attention, {})
    model = compiled(attention, {"batch": {"prefer": [1, 2, 3]}})
    assert isinstance(plain.module, IRModule)
    assert isinstance(model.module, IRModule)
    assert isinstance(model.module.tensor("main").body, If)
    arrays = [entry.digest for entry in model.module.constants.values()]
    assert len(set(arrays)) == len(arrays)
    # the rows of each version are batch * seq: only a product over the rows of any batch stays the same
    assert len(model.module.functions) <= 4 * len(plain.module.functions)
    assert parse(script(model.module), constants=model.module.constants) == model.module


@pytest.mark.parametrize(
    ("sizes", "reason"), [((2, 9), "'seq' has to be at most 8"), ((1, 4), "'batch' has to be at least 2")]
)
def test_bounds_are_checked_at_entry(attention, sizes, reason, tmp_path):
    model = compiled(attention, {"batch": {"min": 2}, "seq": {"max": 8}})
    model(np.ones((2, 8, 8), np.float32))
    model.save(tmp_path / "model.tondo")
    x = np.ones((*sizes, 8), np.float32)
    with tondo_runtime.load(tmp_path / "model.tondo") as loaded:
        for callee in (model, loaded):
            with pytest.raises(RuntimeFailure, match=reason) as caught:
                callee(x)
            assert caught.value.code == "TND-U002"


def test_the_interpreter_checks_the_same_bounds(attention):
    model = tondo.compile(attention.model, target="interp", config={"dimensions": {"seq": {"max": 8, "prefer": [2]}}})
    assert model(np.ones((1, 2, 8), np.float32)).shape == (1, 2, 8)
    with pytest.raises(RuntimeFailure, match="'seq' has to be at most 8"):
        model(np.ones((1, 9, 8), np.float32))


@pytest.mark.parametrize(
    ("dimensions", "code", "reason"),
    [
        ({"sequ": {"max": 9}}, "TND-U001", "no dimension 'sequ'"),
        ({"seq": {"max": 9, "prefer": [10]}}, "TND-C001", "between min and max"),
        ({"seq": {"prefer": [4, 4]}}, "TND-C001", "each size once"),
        ({"seq": {"prefer": [1, 2, 3, 4, 5]}, "batch": {"prefer": [1, 2, 3, 4]}}, "TND-X002", "more than 16 versions"),
    ],
)
def test_what_is_refused(attention, dimensions, code, reason):
    with pytest.raises(TondoError, match=reason) as caught:
        compiled(attention, dimensions)
    assert caught.value.diagnostics[0].code == code


def test_a_module_in_memory_has_no_other_sizes(attention):
    model = tondo.compile(attention.model, target="interp")
    assert model.module is not None
    with pytest.raises(TondoError, match="a model that a frontend reads"):
        tondo.compile(model.module, config={"cache": False, "dimensions": {"seq": {"prefer": [4]}}})
