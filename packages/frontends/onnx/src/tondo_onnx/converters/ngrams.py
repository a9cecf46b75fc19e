"""Counts of n-grams of numbers: TfIdfVectorizer.

An n-gram of the pool is there where all of its items are, each ``1 + skip`` positions behind the one before. Counts are
those over all positions and skips; a gram of one item has no skips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from tondo.ir import FLOAT32, INT64, Const
from tondo_onnx.build.values import Value
from tondo_onnx.nodes.site import Site, Versions, since


def _pools(site: Site, items: Sequence[int]) -> list[tuple[int, np.ndarray, int]]:
    """Return the length, the n-grams ``[count, length]`` and the number of the first gram of each part of the pool."""
    begins = site.attributes.ints("ngram_counts") or ()
    low, high = site.attributes.integer("min_gram_length"), site.attributes.integer("max_gram_length")
    found: list[tuple[int, np.ndarray, int]] = []
    first = 0
    for position, begin in enumerate(begins):
        end = begins[position + 1] if position + 1 < len(begins) else len(items)
        length = position + 1
        if not 0 <= begin <= end <= len(items) or (end - begin) % length:
            site.invalid("ngram_counts does not part the pool into n-grams")
        count = (end - begin) // length
        if low <= length <= high and count:
            found.append((length, np.array(items[begin:end], np.int64).reshape(count, length), first))
        first += count
    return found


def _counts(site: Site, x: Value, grams: np.ndarray, skips: int) -> Value | None:
    """Return how often each of ``grams [count, length]`` is in the rows of ``x``, float32 ``[rows, count]``."""
    (rows, width), (count, length) = x.dims, grams.shape
    assert isinstance(width, Const)
    total: Value | None = None
    for skip in range(1 if length == 1 else skips + 1):
        places = int(width.value) - (length - 1) * (skip + 1)
        if places <= 0:
            break
        here: Value | None = None
        for item in range(length):
            begin = item * (skip + 1)
            part = site.call("slice", x, axes=(1,), starts=(begin,), ends=(begin + places,), steps=(1,))
            wanted = site.builder.constant(grams[:, item].reshape(1, count, 1), "grams")
            hit = site.call("equal", site.reshape(part, (rows, Const(1), Const(places))), wanted)
            here = hit if here is None else site.call("logical_and", here, hit)
        assert here is not None
        found = site.call("reduce_sum", site.cast(here, FLOAT32), axes=(2,), keepdims=False)
        total = found if total is None else site.call("add", total, found)
    return total


def _vectorizer(site: Site) -> Value:
    x, attributes = site.arg(0), site.attributes
    items = attributes.ints("pool_int64s")
    if items is None:
        site.refuse("pools of texts")
    columns = attributes.ints("ngram_indexes") or ()
    if not columns or min(columns) < 0:
        site.invalid("ngram_indexes is missing or negative")
    if x.rank not in {1, 2}:
        site.invalid(f"the input has {x.rank} dimensions")
    matrix = site.cast(x if x.rank == 2 else site.reshape(x, (1, *x.dims)), INT64)
    if not isinstance(matrix.dims[1], Const):
        site.refuse("rows of unknown length")
    mode = attributes.text("mode")
    weights = np.array(attributes.numbers("weights") or [1.0] * len(columns), np.float32)
    result = site.fill((matrix.dims[0], Const(max(columns) + 1)), 0.0, FLOAT32)
    for length, grams, first in _pools(site, items):
        found = _counts(site, matrix, grams, attributes.integer("max_skip_count"))
        if found is None:
            continue
        last = first + len(grams)
        if last > min(len(columns), len(weights)):
            site.invalid(f"there are more n-grams of {length} items than indexes or weights")
        if mode == "IDF":
            found = site.cast(site.call("greater", found, site.scalar(0.0, FLOAT32)), FLOAT32)
        if mode in {"IDF", "TFIDF"}:
            found = site.call("mul", found, site.builder.constant(weights[first:last], "weights"))
        spread = site.builder.zeros((len(grams), max(columns) + 1), np.dtype(np.float32))
        spread[np.arange(len(grams)), columns[first:last]] = 1
        result = site.call("add", result, site.call("matmul", found, site.builder.constant(spread, "columns")))
    return result if x.rank == 2 else site.reshape(result, result.dims[1:])


CONVERTERS: Final[dict[str, Versions]] = {"TfIdfVectorizer": since(_vectorizer)}
