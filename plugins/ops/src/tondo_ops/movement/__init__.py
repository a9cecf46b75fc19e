"""Operators that move elements: views, joins, cuts, lookups, updates, resampling."""

from __future__ import annotations

from tondo_ops.movement.cache import OPERATORS as CACHE
from tondo_ops.movement.columns import OPERATORS as COLUMNS
from tondo_ops.movement.gather import OPERATORS as GATHER
from tondo_ops.movement.join import OPERATORS as JOIN
from tondo_ops.movement.pad import OPERATORS as PAD
from tondo_ops.movement.pad_at import OPERATORS as PAD_AT
from tondo_ops.movement.repeat import OPERATORS as REPEAT
from tondo_ops.movement.reshape import OPERATORS as RESHAPE
from tondo_ops.movement.resize import OPERATORS as RESIZE
from tondo_ops.movement.rows import OPERATORS as ROWS
from tondo_ops.movement.scatter import OPERATORS as SCATTER
from tondo_ops.movement.slice import OPERATORS as SLICE
from tondo_ops.movement.space import OPERATORS as SPACE
from tondo_ops.movement.transpose import OPERATORS as TRANSPOSE

OPERATORS = (
    *RESHAPE,
    *TRANSPOSE,
    *JOIN,
    *SLICE,
    *PAD_AT,
    *CACHE,
    *COLUMNS,
    *GATHER,
    *SCATTER,
    *PAD,
    *REPEAT,
    *SPACE,
    *RESIZE,
    *ROWS,
)

__all__ = ["OPERATORS"]
