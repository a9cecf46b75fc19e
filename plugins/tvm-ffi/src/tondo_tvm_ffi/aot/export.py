"""A model becomes a shared library that ``tvm_ffi.load_module`` loads, where no Tondo is installed.

Before: a model as :func:`tondo.compile` takes it. After: one file that holds its machine code, its constants, the
thread pool and the glue of :mod:`tondo_tvm_ffi.aot.glue`. Refused with TND-B004: models that the glue cannot serve,
other architectures than this machine's, machines without a linker.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from tondo.diagnostics import fail
from tondo.driver import Model, Tools, generate, lower, make_plan
from tondo.driver.environment import read_environment
from tondo.driver.manifest import make_manifest, signature_of
from tondo.driver.source import dimensions_of
from tondo.plugin import Extensions, collect
from tondo_llvm.targets import machine_spec
from tondo_llvm.toolchain import LinkRefusal, Source, compile_many, link_shared
from tondo_runtime.dtypes import dtype_of
from tondo_tvm_ffi.aot.describe import refusal
from tondo_tvm_ffi.aot.glue import WEIGHTS, glue_ir

if TYPE_CHECKING:
    from tondo.driver.plan import ConfigLike
    from tondo.plugin import CompiledCode
    from tondo.target import Target, TargetSpec
    from tondo_runtime import Manifest

_ALIGNMENT: Final = 64
_MOST_BYTES: Final = (1 << 31) - (1 << 26)
"""Constants and code lie within 2 GiB of each other."""
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_RESERVED: Final = frozenset({"set_threads"})


def export_library(
    source: object,
    path: str | os.PathLike[str],
    *,
    name: str = "main",
    target: TargetSpec | None = None,
    threads: int | None = None,
    numerics: str | None = None,
    config: ConfigLike = None,
    extensions: Extensions | None = None,
    tools: Tools | None = None,
) -> Manifest:
    """Compile a model into a shared library of tvm-ffi.

    Args:
        source: a path, an object that a frontend claims, or an IRModule, as :func:`tondo.compile` takes them.
        path: the file to write.
        name: name of the function that runs the model.
        target: what to compile for.
        threads: how many threads one call uses, until ``set_threads`` says something else.
        numerics: precision of float32 products.
        config: a pipeline file, or its content as a mapping.
        extensions: what plugins bring; the installed plugins if left out.
        tools: what a compilation may use.

    Returns:
        The manifest of the model: its inputs and outputs.

    Example:
        >>> export_library("model.onnx", "model.so")
        >>> tvm_ffi.load_module("model.so").main(x)

    Raises:
        TondoError: as :func:`tondo.compile`; TND-B004 for a model that cannot be exported or code that cannot be
            linked, TND-U005 for a name that is taken or no identifier, or a model that is compiled already.
    """
    if isinstance(source, Model):
        fail("TND-U005", f"the model '{source.name}' is compiled already", help="give what it was compiled from")
    if not _NAME.fullmatch(name) or name in _RESERVED:
        fail("TND-U005", f"'{name}' cannot be the name of the exported function", help="choose an identifier")
    tools = tools or Tools()
    brought = extensions or collect(read_environment().plugins)
    brought = replace(brought, libraries={})  # their functions live in Tondo's runtime, or are code for other devices
    plan = make_plan(source, target, threads, numerics, config, brought)
    if plan.codegen is None:
        fail("TND-U005", "the interpreter makes no code", help="choose another target")
    module = lower(plan, tools)
    generated = generate(module, plan, plan.codegen, tools)
    code = generated.code
    signature = signature_of(module, dimensions_of(plan.file.config))
    manifest = make_manifest(
        module, signature, code, plan.target, plan.source.name, plan.extensions.versions(), plan.effective
    )
    reason = refusal(manifest)
    if reason is None and (generated.foreign or any(entry.kind != "object" for entry in code.objects)):
        reason = f"code of '{plan.codegen.name}' or of a library is no relocatable object for this CPU"
    if reason is not None:
        fail("TND-B004", f"'{manifest.name}' cannot become a library of tvm-ffi: {reason}")
    arrays = {spec.name: np.asarray(module.constants[spec.name].array) for spec in manifest.constants}
    _write(Path(path), manifest, code, plan.target, arrays, name)
    return manifest


def _write(
    path: Path,
    manifest: Manifest,
    code: CompiledCode,
    target: Target,
    arrays: Mapping[str, np.ndarray],
    name: str,
) -> None:
    machine = machine_spec(target)
    with tempfile.TemporaryDirectory(prefix="tondo-export-") as folder:
        weights = Path(folder, "weights.bin")
        with weights.open("wb") as stream:
            offsets = _lay_out(manifest, arrays, stream)
        sources = [
            Source("glue", glue_ir(manifest, offsets, name, target.threads), "glue"),
            Source("weights", _weights_ir(weights, target.triple), "weights"),
        ]
        made = compile_many(sources, machine)
        result = link_shared([*code.objects, *made], path, machine, ("__tvm_ffi_*",))
    if isinstance(result, LinkRefusal):
        notes = [f"{linker}: {text.splitlines()[0]}" for linker, text in result.attempts if text]
        fail("TND-B004", result.reason, notes=notes, help="install cc, ld.lld or the 'ziglang' package")


def _lay_out(manifest: Manifest, arrays: Mapping[str, np.ndarray], stream: IO[bytes]) -> dict[str, int]:
    """Write the constants one after another; returns where each begins."""
    offsets: dict[str, int] = {}
    position = 0
    for spec in manifest.constants:
        array = np.ascontiguousarray(arrays[spec.name], dtype_of(spec.dtype).numpy)
        offsets[spec.name] = position
        size = stream.write(array.reshape(-1).view(np.uint8).data)
        padding = -size % _ALIGNMENT
        stream.write(bytes(padding))
        position += size + padding
    if position > _MOST_BYTES:
        fail(
            "TND-B004",
            f"'{manifest.name}' has {position} bytes of constants, a library of tvm-ffi holds at most {_MOST_BYTES}",
            help="save the model as an artifact instead",
        )
    stream.write(bytes(_ALIGNMENT))
    return offsets


def _weights_ir(path: Path, triple: str) -> str:
    """Return a module whose one symbol names the bytes of a file, which the assembler reads itself."""
    lines = (
        ".section .rodata.tondo,\\22a\\22,%progbits",
        f".balign {_ALIGNMENT}",
        f".globl {WEIGHTS}",
        f".hidden {WEIGHTS}",
        f"{WEIGHTS}:",
        f".incbin \\22{path}\\22",
        ".text",
    )
    return f'target triple = "{triple}"\n' + "".join(f'module asm "{line}"\n' for line in lines)
