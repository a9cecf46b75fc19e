"""An artifact on disk: written in one step, opened with every claim verified.

A zip (see :mod:`tondo_runtime.archive`) of ``manifest.json``, ``module.tondo`` (the printed module), ``code/*``
(machine code) and ``weights.safetensors`` (mapped, never copied). Opening refuses a damaged file (TND-A001), code
for another processor (TND-A002) and a newer format (TND-A003). There is no pickle anywhere.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tondo_runtime.archive import MANIFEST, Chunk, copy_archive, read_archive, write_archive
from tondo_runtime.digest import digest_member, is_whole
from tondo_runtime.errors import RuntimeFailure, fail
from tondo_runtime.host import check_target
from tondo_runtime.manifest import CodeSpec, Manifest
from tondo_runtime.manifest_json import is_member_path, parse_manifest
from tondo_runtime.safetensors import read_safetensors, typed, write_safetensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tondo_runtime.tensors import Array

MODULE = "module.tondo"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A verified artifact.

    Attributes:
        path: the file.
        manifest: its manifest.
        module_text: the printed module.
        code: member path to machine code, over the mapped file.
        weights: constant name to read-only array, over the mapped file.
    """

    path: Path
    manifest: Manifest
    module_text: str
    code: Mapping[str, memoryview]
    weights: Mapping[str, Array]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Artifact:
        """Map and verify the artifact at ``path``.

        Raises:
            RuntimeFailure: TND-U006 not readable, TND-A001 damaged, TND-A002 other CPU, TND-A003 newer format.
        """
        place = Path(path)
        archive = read_archive(place)
        manifest = parse_manifest(bytes(archive.members[MANIFEST]), f"{MANIFEST} in {place}")
        _check_members(place, manifest, archive.members)
        check_target(manifest.target, str(place))
        for name in (MODULE, WEIGHTS):
            if name not in archive.members:
                _damaged(place, f"it has no {name}")
        weights = read_safetensors(archive.members[WEIGHTS], f"{WEIGHTS} in {place}")
        for spec in manifest.constants:
            array = weights.get(spec.name)
            if array is not None:
                array = weights[spec.name] = typed(array, spec.type)
            if array is None or array.shape != spec.shape or array.dtype != spec.type.numpy:
                _damaged(place, f"the constant '{spec.name}' disagrees with {WEIGHTS}")
        code = {entry.member: archive.members[entry.member] for entry in manifest.code}
        text = bytes(archive.members[MODULE]).decode("utf-8", "replace")
        return cls(place, manifest, text, code, weights)


def write_artifact(
    path: str | os.PathLike[str],
    manifest: Manifest,
    module_text: str,
    code: Mapping[str, bytes],
    weights: Mapping[str, Array],
) -> Manifest:
    """Write an artifact atomically and return its manifest with digests and sizes filled in.

    Args:
        path: the file to create or replace.
        manifest: without digests; ``code`` names kinds, ``members`` is ignored.
        module_text: the printed module.
        code: member path (``code/...``) to machine code, one for each entry of ``manifest.code``.
        weights: constant name to array; every name of ``manifest.constants``.

    Raises:
        RuntimeFailure: TND-U005 if the parts disagree or the file cannot be written, TND-U003 for a weight's type.
    """
    _check_parts(manifest, code, weights)
    members: dict[str, Sequence[Chunk]] = {name: (data,) for name, data in code.items()}
    members[MODULE] = (module_text.encode(),)
    members[WEIGHTS] = tuple(write_safetensors(weights))
    specs = {name: digest_member(chunks) for name, chunks in members.items()}
    entries = tuple(CodeSpec(entry.member, entry.kind, specs[entry.member].sha256) for entry in manifest.code)
    complete = replace(manifest, code=entries, members=specs)
    text = json.dumps(complete.to_json(), indent=1, sort_keys=True, ensure_ascii=False).encode()
    parse_manifest(text, "the manifest to write")
    members[MANIFEST] = (text,)
    write_archive(Path(path), members)
    return complete


def copy_artifact(source: str | os.PathLike[str], path: str | os.PathLike[str]) -> Manifest | None:
    """Write a copy of the artifact ``source``, which is trusted to be whole: whoever opens the copy verifies it.

    Args:
        source: an artifact.
        path: the file to create or replace.

    Returns:
        Its manifest; None if ``source`` is not there any more or is no artifact.

    Raises:
        RuntimeFailure: TND-U005 if ``path`` cannot be written.
    """
    try:
        archive = read_archive(Path(source))
        manifest = parse_manifest(bytes(archive.members[MANIFEST]), f"{MANIFEST} in {source}")
    except RuntimeFailure:
        return None
    copy_archive(archive, Path(path))
    return manifest


def _check_parts(manifest: Manifest, code: Mapping[str, bytes], weights: Mapping[str, Array]) -> None:
    named = {entry.member for entry in manifest.code}
    if named != set(code):
        fail("TND-U005", f"the manifest names the code {sorted(named)}, given are {sorted(code)}")
    for name in code:
        if not is_member_path(name):
            fail("TND-U005", f"'{name}' is not a path like 'code/name.o'")
    for spec in manifest.constants:
        array = weights.get(spec.name)
        if array is None or array.shape != spec.shape or array.dtype != spec.type.numpy:
            fail("TND-U005", f"the constant '{spec.name}' is missing or differs from its weight in shape or type")


def _check_members(place: Path, manifest: Manifest, members: Mapping[str, memoryview]) -> None:
    present = set(members) - {MANIFEST}
    if present != set(manifest.members):
        odd = min(present ^ set(manifest.members))
        _damaged(place, f"the member '{odd}' is in the file or in the manifest, not in both")
    for name, spec in manifest.members.items():
        data = members[name]
        if len(data) != spec.size:
            _damaged(place, f"the member '{name}' has {len(data)} bytes instead of {spec.size}")
        if not is_whole(data, spec):
            _damaged(place, f"the member '{name}' fails its checksum")
    for entry in manifest.code:
        if entry.member not in members:
            _damaged(place, f"it has no {entry.member}")


def _damaged(place: Path, reason: str) -> NoReturn:
    fail("TND-A001", f"{place} is damaged: {reason}", help="copy or build the artifact again")
