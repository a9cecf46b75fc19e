"""The operator library: the type rule and the tensor definition of every operator.

``CATALOG.md`` beside the package lists inputs, attributes and results. One package per family, one file per kind of
operator; all static information (axes, sizes, modes) comes in the attributes.
"""

from __future__ import annotations

from typing import Final

from tondo.ir import Operator
from tondo_ops.contraction import OPERATORS as CONTRACTION
from tondo_ops.create import OPERATORS as CREATE
from tondo_ops.elementwise import OPERATORS as ELEMENTWISE
from tondo_ops.learned import OPERATORS as LEARNED
from tondo_ops.movement import OPERATORS as MOVEMENT
from tondo_ops.normalize import OPERATORS as NORMALIZE
from tondo_ops.random import OPERATORS as RANDOM
from tondo_ops.reduction import OPERATORS as REDUCTION
from tondo_ops.sample import OPERATORS as SAMPLE
from tondo_ops.signal import OPERATORS as SIGNAL
from tondo_ops.window import OPERATORS as WINDOW

OPERATORS: Final[dict[str, Operator]] = {
    operator.name: operator
    for operator in (
        *ELEMENTWISE,
        *REDUCTION,
        *WINDOW,
        *NORMALIZE,
        *CONTRACTION,
        *MOVEMENT,
        *SAMPLE,
        *SIGNAL,
        *CREATE,
        *RANDOM,
        *LEARNED,
    )
}
"""Every operator by name."""

__all__ = ["OPERATORS"]
