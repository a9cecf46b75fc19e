"""ONNX importer: a model becomes a graph function of operator calls.

Importing this package is cheap; the ``onnx`` package is imported when a model is read.
"""

from __future__ import annotations

from tondo_onnx.frontend import OnnxFrontend
from tondo_onnx.limits import Limits

__all__ = ["Limits", "OnnxFrontend"]
