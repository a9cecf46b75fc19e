"""Integer arithmetic over symbolic variables: canonical forms, bounds, proofs, projection, iteration maps.

Own code without dependencies; every rule is tested against evaluation over all small values.
"""

from __future__ import annotations

from tondo.arith.affine import Affine
from tondo.arith.analyzer import Analyzer, RangeLike, affine
from tondo.arith.interval import EVERYTHING, Interval
from tondo.arith.itermap import IterationMap, IterSplit, IterSum, iteration_map
from tondo.arith.project import project

__all__ = [
    "EVERYTHING",
    "Affine",
    "Analyzer",
    "Interval",
    "IterSplit",
    "IterSum",
    "IterationMap",
    "RangeLike",
    "affine",
    "iteration_map",
    "project",
]
