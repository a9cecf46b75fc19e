"""TfIdfVectorizer against onnxruntime."""

from __future__ import annotations

import pytest

from tondo.diagnostics import TondoError

POOL = {
    "ngram_counts": [0, 4, 10], "ngram_indexes": [6, 0, 3, 1, 2, 5, 4],
    "pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8, 6, 7], "weights": [2.0, 1.0, 0.5, 4.0, 3.0, 1.5, 0.25],
}  # fmt: skip


@pytest.mark.parametrize("mode", ["TF", "IDF", "TFIDF"])
@pytest.mark.parametrize("lengths", [(1, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("skips", [0, 3])
@pytest.mark.parametrize("shape", [(9,), (3, 7), (2, 1)])
def test_counts(tools, rng, mode, lengths, skips, shape):
    x = rng.integers(2, 9, shape)
    node = tools.node(
        "TfIdfVectorizer", ["x"], mode=mode, min_gram_length=lengths[0], max_gram_length=lengths[1],
        max_skip_count=skips, **POOL,
    )  # fmt: skip
    tools.check(tools.model([node], {"x": ("int64", shape)}), x)


def test_a_pool_that_does_not_part_is_refused(tools):
    pool = {**POOL, "ngram_counts": [0, 3, 10]}
    options = {"mode": "TF", "min_gram_length": 1, "max_gram_length": 2, "max_skip_count": 0}
    node = tools.node("TfIdfVectorizer", ["x"], **options, **pool)
    with pytest.raises(TondoError, match="does not part the pool"):
        tools.load(tools.model([node], {"x": ("int64", (5,))}))
