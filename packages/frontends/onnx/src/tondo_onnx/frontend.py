"""The frontend: which sources are ONNX models, and the road from a source to a module.

Sources are paths of ``.onnx`` files, the bytes of such a file, and ``onnx.ModelProto`` objects. Options
(:class:`tondo.plugin.LoadOptions`): ``inputs`` replaces shapes of inputs (a name makes a dimension symbolic),
``dimensions`` bounds symbolic dimensions, ``base`` is the folder of external data for sources that are no paths,
``operators`` must hold the operator library. The further option ``limits`` replaces limits by name
(:class:`~tondo_onnx.limits.Limits`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeGuard, cast

from tondo.diagnostics import fail
from tondo.ir import IRModule
from tondo.plugin import LoadOptions, OperatorUse
from tondo_onnx.limits import Limits, changed

if TYPE_CHECKING:
    from onnx import ModelProto

_BYTES: Final = (bytes, bytearray, memoryview)


@dataclass(frozen=True, slots=True)
class OnnxFrontend:
    """Reads ONNX models; ``limits`` caps what they may ask for."""

    limits: Limits = field(default_factory=Limits)

    @property
    def name(self) -> str:
        """``onnx``."""
        return "onnx"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """``.onnx``."""
        return (".onnx",)

    def claims(self, source: object) -> bool:
        """Return whether ``source`` is a path that ends in ``.onnx``, bytes, or an ``onnx.ModelProto``."""
        path = _path_of(source)
        if path is not None:
            return path.name.lower().endswith(self.suffixes)
        return isinstance(source, _BYTES) or _is_model(source)

    def load(self, source: object, options: LoadOptions) -> IRModule:
        """Return the module of ``source``; its entry is the graph function ``main``.

        Raises:
            TondoError: TND-U006 for a file that is not there, TND-M001 for what is no ONNX model, TND-M002 for a
                damaged file, TND-M003 with everything that is not supported, TND-M004 for an invalid model,
                TND-M005 for types without a counterpart, TND-M006 for operator arguments that do not fit,
                TND-U001 and TND-U002 for input shapes that do not fit the model, TND-X001 for external data outside
                of the model's folder, TND-X002 for a model beyond the limits.
        """
        from tondo_onnx.importer import import_model
        from tondo_onnx.read.files import ModelFiles

        model, place, folder = self._read(source, options)[:3]  # the bytes are not needed any more
        return import_model(model, ModelFiles(folder), options, self._limits(options), place)

    def survey(self, source: object, options: LoadOptions) -> Sequence[OperatorUse]:
        """Return every operator of the model and what it becomes, or why it cannot be imported.

        Raises:
            TondoError: as :meth:`load`, but for what is not supported, which is listed.
        """
        from tondo_onnx.importer import survey_model
        from tondo_onnx.read.files import ModelFiles

        model, place, folder = self._read(source, options)[:3]
        return survey_model(model, ModelFiles(folder), options, self._limits(options), place)

    def digest(self, source: object, options: LoadOptions) -> str | None:
        """Return a digest of the model, its external data and the options, without converting anything."""
        from tondo_onnx.read.digest import digest_of
        from tondo_onnx.read.files import ModelFiles
        from tondo_onnx.read.texts import check_texts

        model, _, folder, data = self._read(source, options)
        check_texts(model)
        return digest_of(model, data, ModelFiles(folder), options)

    def _limits(self, options: LoadOptions) -> Limits:
        for name in options.options:
            if name != "limits":
                fail("TND-C002", f"the frontend 'onnx' has no option '{name}'", help="its only option is 'limits'")
        return changed(self.limits, options.options.get("limits"))

    def _read(self, source: object, options: LoadOptions) -> tuple[ModelProto, str, Path | None, bytes | None]:
        """Return the model, what messages call it, the folder of its files, and the bytes that it was read from."""
        from tondo_onnx.read.model import parse_model, read_file

        path = _path_of(source)
        if path is not None:
            data = read_file(path, self._limits(options))
            return parse_model(data, str(path)), str(path), path.parent, data
        if isinstance(source, _BYTES):
            data = bytes(cast("bytes", source))
            return parse_model(data, "<bytes>"), "<bytes>", options.base, data
        if _is_model(source):
            return source, "<model>", options.base, None
        return fail(
            "TND-M001",
            f"a {type(source).__qualname__} is not an ONNX model",
            help="pass the path of an .onnx file, its bytes, or an onnx.ModelProto",
        )


def _path_of(source: object) -> Path | None:
    """Return ``source`` as a path if it is one."""
    if isinstance(source, str | os.PathLike):
        return Path(os.fsdecode(cast("str | os.PathLike[str]", source)))
    return None


def _is_model(source: object) -> TypeGuard[ModelProto]:
    """Return whether ``source`` is a model, told without importing onnx."""
    kind = type(source)
    return kind.__name__ == "ModelProto" and kind.__module__.split(".", 1)[0] == "onnx"
