"""All converters, by domain, operator type and operator-set version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tondo_onnx.converters import (
    broadcast,
    contraction,
    control,
    convolution,
    creation,
    elementwise,
    images,
    indexing,
    ngrams,
    normalization,
    pooling,
    quantization,
    random,
    recurrent,
    reduce,
    resize,
    sampling,
    selection,
    shape,
    signal,
    slicing,
    training,
)
from tondo_onnx.converters.ml.table import CONVERTERS as ML_CONVERTERS
from tondo_onnx.nodes.site import Converter, Versions

NEWEST: Final = 28
"""Newest operator set of the standard domain whose meaning the converters follow."""

CONVERTERS: Final[Mapping[str, Versions]] = {
    **elementwise.CONVERTERS,
    **broadcast.CONVERTERS,
    **reduce.CONVERTERS,
    **convolution.CONVERTERS,
    **pooling.CONVERTERS,
    **normalization.CONVERTERS,
    **contraction.CONVERTERS,
    **shape.CONVERTERS,
    **slicing.CONVERTERS,
    **indexing.CONVERTERS,
    **ngrams.CONVERTERS,
    **creation.CONVERTERS,
    **resize.CONVERTERS,
    **sampling.CONVERTERS,
    **selection.CONVERTERS,
    **images.CONVERTERS,
    **signal.CONVERTERS,
    **quantization.CONVERTERS,
    **random.CONVERTERS,
    **control.CONVERTERS,
    **recurrent.CONVERTERS,
}

DOMAINS: Final[Mapping[str, Mapping[str, Versions]]] = {
    "": CONVERTERS, "ai.onnx.ml": ML_CONVERTERS, "ai.onnx.preview.training": training.CONVERTERS,
}  # fmt: skip
"""Converters by domain; that of the standard is empty."""


def find_converter(domain: str, op_type: str, version: int) -> Converter | None:
    """Return the converter of an operator as of operator set ``version``; None if there is none."""
    found: Converter | None = None
    for since, converter in DOMAINS.get(domain, {}).get(op_type, ()):
        if since <= version:
            found = converter
    return found
