"""All converters of the domain ``ai.onnx.ml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tondo_onnx.converters.ml import features, linear, trees
from tondo_onnx.nodes.site import Versions

CONVERTERS: Final[Mapping[str, Versions]] = {**features.CONVERTERS, **linear.CONVERTERS, **trees.CONVERTERS}
