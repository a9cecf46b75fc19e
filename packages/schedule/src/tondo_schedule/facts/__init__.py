"""Facts of tensor functions: what a block computes and how it touches memory, read from its indices alone.

One source of answers for fusion, layout, scheduling, library choice and reports. Nothing here knows an operator.
"""

from __future__ import annotations

from tondo_schedule.facts.access import Access, Pattern, accesses, pattern_of
from tondo_schedule.facts.contraction import Contraction, contraction_of
from tondo_schedule.facts.row_chain import COLUMN, UNIT, RowChain, row_chain_of
from tondo_schedule.facts.stage import Stage, StageKind, consumers_of, stage_of, stages_of
from tondo_schedule.facts.window import SlidingAxis, SlidingProduct, padding_of, read_padded, sliding_product

__all__ = [
    "COLUMN",
    "UNIT",
    "Access",
    "Contraction",
    "Pattern",
    "RowChain",
    "SlidingAxis",
    "SlidingProduct",
    "Stage",
    "StageKind",
    "accesses",
    "consumers_of",
    "contraction_of",
    "padding_of",
    "pattern_of",
    "read_padded",
    "row_chain_of",
    "sliding_product",
    "stage_of",
    "stages_of",
]
