"""Schedule primitives: one module each, with a pure ``apply(function, ...) -> (function, results)``."""

from __future__ import annotations

from tondo_schedule.primitives import (
    annotate, cache_read, cache_write, compute_at, compute_inline, decompose_reduction, drop_unit_axes, fuse, merge_axes, pad_domain, parallel, reorder,
    reverse_compute_at, reverse_compute_inline, rfactor, set_scope, specialize, split, split_axis, transform_layout, unroll, vectorize,
)

__all__ = [
    "annotate", "cache_read", "cache_write", "compute_at", "compute_inline", "decompose_reduction", "drop_unit_axes", "fuse", "merge_axes", "pad_domain", "parallel",
    "reorder", "reverse_compute_at", "reverse_compute_inline", "rfactor", "set_scope", "specialize", "split", "split_axis", "transform_layout", "unroll",
    "vectorize",
]
