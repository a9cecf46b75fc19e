"""What the kit takes for right is what numpy answers: uses of operators against the interpreter and numpy."""

from __future__ import annotations

import numpy as np
import pytest

from tondo_conformance.backend import Backend
from tondo_conformance.networks.models import NETWORKS
from tondo_conformance.operators import contraction, elementwise, movement, reduction
from tondo_conformance.operators.cases import arrays_of, build, cases, uncovered
from tondo_conformance.operators.probe import probed
from tondo_conformance.operators.recipe import PLAIN
from tondo_conformance.settings import Settings

MEANING = {
    ("add", "row"): np.add,
    ("mul", "broadcast"): np.multiply,
    ("where", ""): np.where,
    ("matmul", ""): np.matmul,
    ("matmul", "batch"): np.matmul,
    ("einsum", "attention"): lambda a, b: np.einsum("bnk,bmk->bnm", a, b),
    ("reduce_sum", ""): lambda x: x.sum(-1, keepdims=True),
    ("reduce_max", "two"): lambda x: x.max((0, 2)),
    ("argmax", ""): lambda x: x.argmax(-1)[..., None],
    ("cumsum", ""): lambda x: x.cumsum(1),
    ("softmax", ""): lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    ("transpose", ""): lambda x: x.transpose(0, 2, 1),
    ("concat", ""): lambda *parts: np.concatenate(parts, 1),
    ("slice", ""): lambda x: x[:, 1:3, ::2],
    ("gather", ""): lambda x, at: x[at],
    ("pad", "reflect"): lambda x: np.pad(x, [(0, 1), (1, 0), (2, 2)], "reflect"),
    ("tile", ""): lambda x: np.tile(x, (2, 3)),
}


@pytest.fixture(scope="module")
def backend():
    return Backend(Settings())


@pytest.mark.parametrize(("op", "name"), MEANING, ids=lambda value: value or "plain")
def test_the_reference_agrees_with_numpy(backend, op, name):
    families = (elementwise, contraction, reduction, movement)
    recipe = next(entry for family in families for entry in family.recipes() if (entry.op, entry.name) == (op, name))
    arrays = arrays_of(recipe, "float32", PLAIN)
    module = build(recipe, "float32", PLAIN, backend.extensions.operators, arrays)
    (answer,) = backend.answers(module, {f"x{index}": array for index, array in enumerate(arrays)}).values()
    np.testing.assert_allclose(answer, MEANING[op, name](*arrays), rtol=1e-5, atol=1e-6)


def test_every_operator_has_cases(backend):
    assert uncovered(backend.extensions.operators) == []


def test_cases_have_ids_of_their_own(backend):
    ids = [entry.info.id for entry in cases(backend.extensions.operators)]
    assert len(ids) == len(set(ids)) > 1000


def test_operators_nobody_wrote_down_are_found_out(backend):
    operators = backend.extensions.operators
    (one,) = probed(operators["exp"])
    (two,) = probed(operators["atan2"])
    (three,) = probed(operators["where"])
    assert [len(recipe.args) for recipe in (one, two, three)] == [1, 2, 3]
    assert "float32" in one.dtypes
    assert "int32" not in one.dtypes
    assert list(probed(operators["einsum"])) == []


def test_inputs_are_the_same_every_time():
    recipe = next(iter(contraction.recipes()))
    for first, second in zip(arrays_of(recipe, "float32", PLAIN), arrays_of(recipe, "float32", PLAIN), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_networks_answer_with_numbers_that_differ(backend, network):
    module = network.build(backend.extensions.operators, {})
    feed = network.feed(np.random.default_rng(0), network.sizes[0])
    for answer in backend.answers(module, feed).values():
        assert np.isfinite(answer.astype(np.float64)).all()
        assert np.unique(answer).size > 1
        assert np.abs(answer.astype(np.float64)).max() < 100
