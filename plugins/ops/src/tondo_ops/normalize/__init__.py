"""Normalisations: by stored statistics, by statistics over axes, by neighbouring channels."""

from __future__ import annotations

from tondo_ops.normalize.batch import OPERATORS as BATCH
from tondo_ops.normalize.group import OPERATORS as GROUP
from tondo_ops.normalize.layer import OPERATORS as LAYER
from tondo_ops.normalize.local import OPERATORS as LOCAL
from tondo_ops.normalize.norm import OPERATORS as NORM

OPERATORS = (*BATCH, *LAYER, *GROUP, *LOCAL, *NORM)

__all__ = ["OPERATORS"]
