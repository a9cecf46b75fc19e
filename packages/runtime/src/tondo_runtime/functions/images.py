"""Encoded images become tensors, by Pillow, an optional dependency: ``pip install tondo-runtime[images]``."""

from __future__ import annotations

import importlib
import io
from typing import TYPE_CHECKING, Final

import numpy as np

from tondo_runtime.errors import fail
from tondo_runtime.registry import register

if TYPE_CHECKING:
    from types import ModuleType

    from tondo_runtime.tensors import Array

_FORMATS: Final = ("BMP", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
_MODES: Final = {"RGB": "RGB", "BGR": "RGB", "Grayscale": "L"}
_PIXELS: Final = 1 << 28
"""Most pixels of an image: a small file may stand for far more than memory holds."""


@register("tondo.image.decode")
def decode(data: Array, *, pixels: str) -> Array:
    """Return the image in the bytes ``data``, uint8 ``[height, width, channels]``; ``pixels``: RGB, BGR or Grayscale.

    Raises:
        RuntimeFailure: TND-R002 without Pillow, TND-R003 for bytes that are no image, TND-X002 for one that is too
            large.
    """
    module = _pillow()
    try:
        with module.open(io.BytesIO(data.tobytes()), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > _PIXELS:
                fail("TND-X002", f"the image has {width} x {height} pixels, the limit is {_PIXELS}")
            found = np.asarray(image.convert(_MODES[pixels]))
    except (OSError, SyntaxError, ValueError, module.DecompressionBombError) as error:
        fail("TND-R003", f"the bytes are no image that can be decoded: {error}")
    shaped = found.reshape(height, width, -1)
    return np.ascontiguousarray(shaped[..., ::-1] if pixels == "BGR" else shaped)


def _pillow() -> ModuleType:
    try:
        return importlib.import_module("PIL.Image")
    except ImportError:
        return fail(
            "TND-R002", "decoding images needs Pillow, which is not installed", help="pip install tondo-runtime[images]"
        )
