"""Encoded images: ImageDecoder, by a function of the runtime that a library serves."""

from __future__ import annotations

from typing import Final

from tondo.ir import dtype
from tondo_onnx.build.values import Value
from tondo_onnx.converters.objects.emit import tensor
from tondo_onnx.nodes.site import Site, Versions, since

_BYTES: Final = dtype("uint8")
_PIXELS: Final = ("RGB", "BGR", "Grayscale")
_RANK: Final = 3


def _decode(site: Site) -> Value:
    """Return the image ``[height, width, channels]`` of a vector of bytes."""
    data, pixels = site.arg(0), site.attributes.text("pixel_format", "RGB")
    site.want_rank(0, 1)
    if data.dtype != _BYTES:
        site.invalid(f"the encoded image is {data.dtype}, not uint8")
    if pixels not in _PIXELS:
        site.invalid(f"pixel_format is '{pixels}'")
    return tensor(site, "image.decode", (data,), _BYTES, _RANK, pixels=pixels)


CONVERTERS: Final[dict[str, Versions]] = {"ImageDecoder": since(_decode)}
