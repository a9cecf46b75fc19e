"""Elementwise operators: one result element from the elements at the same (broadcast) place."""

from __future__ import annotations

from tondo_ops.elementwise.activations import OPERATORS as ACTIVATIONS
from tondo_ops.elementwise.binary import OPERATORS as BINARY
from tondo_ops.elementwise.bits import OPERATORS as BITS
from tondo_ops.elementwise.logic import OPERATORS as LOGIC
from tondo_ops.elementwise.power import OPERATORS as POWER
from tondo_ops.elementwise.quantize import OPERATORS as QUANTIZE
from tondo_ops.elementwise.unary import OPERATORS as UNARY

OPERATORS = (*UNARY, *ACTIVATIONS, *BINARY, *BITS, *POWER, *LOGIC, *QUANTIZE)

__all__ = ["OPERATORS"]
