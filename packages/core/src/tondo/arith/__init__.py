"""Integer arithmetic over symbolic variables: canonical forms, bounds, proofs, projection, iteration maps.

Own code without dependencies; every rule is tested against evaluation over all small values.
"""

from __future__ import annotations

from tondo.arith.affine import Affine
from tondo.arith.analyzer import Analyzer, RangeLike, affine
from tondo.arith.interval import EVERYTHING, Interval
from tondo.arith.itermap import IterationMap, IterSplit, IterSum, iteration_map
from tondo.arith.project import project
from tondo.arith.sizes import (
    BOUNDS,
    DIMENSIONS,
    USUAL,
    bounds_attribute,
    dimension_bounds,
    size_analyzer,
    size_bounds,
)

__all__ = [
    "BOUNDS",
    "DIMENSIONS",
    "EVERYTHING",
    "USUAL",
    "Affine",
    "Analyzer",
    "Interval",
    "IterSplit",
    "IterSum",
    "IterationMap",
    "RangeLike",
    "affine",
    "bounds_attribute",
    "dimension_bounds",
    "iteration_map",
    "project",
    "size_analyzer",
    "size_bounds",
]
