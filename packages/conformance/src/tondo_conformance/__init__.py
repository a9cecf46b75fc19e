"""A pytest plugin that finds out whether a back end of Tondo does what it claims.

``pytest --pyargs tondo_conformance --tondo-target TARGET --tondo-level L2`` runs the cases of the levels L0 (load),
L1 (contract) and L2 (operators); L3 are networks, L4 is the system. Each case runs in a worker process.
"""

from __future__ import annotations

__version__ = "0.1.0"

__all__ = ["__version__"]
