"""From a file or its bytes to a ``ModelProto``; refuses what is not a model and says where a damaged one breaks."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, NoReturn

import onnx
from google.protobuf.message import DecodeError

from tondo.diagnostics import Span, fail
from tondo_onnx.limits import Limits, exceed
from tondo_onnx.read.wire import inspect_model

_LOOKS_LIKE: Final = (
    (b"version https://git-lfs", "it is a Git LFS pointer", "fetch the file itself with 'git lfs pull'"),
    (b"PK\x03\x04", "it is a ZIP archive", "unpack it; the model is an .onnx file inside"),
    (b"\x1f\x8b", "it is compressed with gzip", "unpack it first"),
    (b"<", "it is a text that starts with '<', perhaps a web page", "download the file again"),
    (b"{", "it is a text that starts with '{', perhaps JSON", None),
    (b"\x89HDF", "it is an HDF5 file", "export the model to ONNX"),
)


def read_file(path: Path, limits: Limits) -> bytes:
    """Return the contents of ``path``.

    Raises:
        TondoError: TND-U006 if there is no such file or it cannot be read, TND-M001 if it is no regular file,
            TND-X002 if it is larger than the limit.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        fail("TND-U006", f"cannot open {path}: {error.strerror or error}", help="check the path and its permissions")
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        fail("TND-M001", f"{path} is not a regular file", help="pass the path of an .onnx file")
    with os.fdopen(handle, "rb") as file:
        if status.st_size > limits.file_bytes:
            exceed(f"the size of {path} in bytes", status.st_size, limits, "file_bytes")
        data = file.read(limits.file_bytes + 1)
    if len(data) > limits.file_bytes:
        exceed(f"the size of {path} in bytes", len(data), limits, "file_bytes")
    return data


def parse_model(data: bytes, place: str) -> onnx.ModelProto:
    """Return the model that ``data`` holds; ``place`` names it in messages.

    Raises:
        TondoError: TND-M001 if it is no ONNX model, TND-M002 if it is a damaged one.
    """
    if not data:
        fail(
            "TND-M001",
            "the file is empty, not an ONNX model",
            span=Span(place),
            help="copy, download or export the model again",
        )
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        _explain(data, place, str(error))
    if not model.HasField("graph"):
        report = inspect_model(data)
        if report.problem is not None and not report.fields:
            _explain(data, place, "no field of a model was found")
        fail(
            "TND-M002",
            "the model has no graph",
            span=Span(place),
            help="the file is incomplete, or is another kind of protobuf message; export or download it again",
        )
    return model


def _explain(data: bytes, place: str, reason: str) -> NoReturn:
    report = inspect_model(data)
    if (
        "ir_version" not in report.fields
        and not ({"graph", "opset_import"} & set(report.fields))
        and not (report.truncated and data[0] == 0x08)
    ):
        looks = next((entry for entry in _LOOKS_LIKE if data.startswith(entry[0])), None)
        notes = [looks[1] if looks else report.problem or reason]
        fail(
            "TND-M001",
            "this is not an ONNX model",
            span=Span(place),
            notes=notes,
            help=(looks[2] if looks else None) or "pass an .onnx file; other formats need their own frontend",
        )
    where = f"byte {report.offset} of {len(data)}"
    detail = report.problem or f"a message inside is malformed ({reason})"
    read = f"complete before that: {', '.join(dict.fromkeys(report.fields)) or 'nothing'}"
    fail(
        "TND-M002",
        f"the model file is damaged at {where}: {detail}",
        span=Span(place),
        notes=[read],
        help="the file seems to be cut off; copy, download or export it again"
        if report.truncated
        else "copy, download or export it again",
    )
