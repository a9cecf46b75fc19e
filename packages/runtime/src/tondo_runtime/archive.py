"""The container of an artifact: a zip with stored members, each aligned to 64 bytes, byte for byte reproducible.

Writing: members sorted by path, fixed time, padding in an extra field, atomic (temporary file, then rename).
Reading: the file is mapped and members are slices of the map. Refuses compression, encryption, duplicate or
unexpected paths, overlapping members and headers that disagree. Source: PKWARE APPNOTE 6.3.
"""

from __future__ import annotations

import itertools
import mmap
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tondo_runtime.errors import fail
from tondo_runtime.manifest_json import MAX_MEMBERS, is_member_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import IO

ALIGNMENT = 64
MANIFEST = "manifest.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_PADDING_ID = 0xD935
_ZIP64_EXTRA = 20
_ZIP64_FROM = 0x7FFF0000

Chunk = bytes | memoryview
_MALFORMED = (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OverflowError, EOFError, IndexError)


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened container: the members' bytes, as slices of the mapped file."""

    path: Path
    members: Mapping[str, memoryview]


def write_archive(path: Path, members: Mapping[str, Sequence[Chunk]]) -> None:
    """Write ``members`` (path to chunks of bytes) to ``path``, replacing it in one step.

    Raises:
        RuntimeFailure: TND-U005 if the folder cannot be written.
    """

    def fill(temporary: Path) -> None:
        with temporary.open("wb") as file:
            _write_zip(file, members)

    _replace(path, fill)


def copy_archive(source: Archive, path: Path) -> None:
    """Write the bytes of ``source`` to ``path``, replacing it in one step.

    Raises:
        RuntimeFailure: TND-U005 if the folder cannot be written.
    """
    _replace(path, lambda temporary: shutil.copyfile(source.path, temporary))


def _replace(path: Path, fill: Callable[[Path], object]) -> None:
    """Let ``fill`` write the file ``path``, which appears whole or not at all to every other process.

    The disk is not waited for, as no compiler does: what a crash of the machine damages is refused when it is opened.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        fail("TND-U005", f"cannot write {path}: {error.strerror}", help="choose another folder")
    os.close(descriptor)
    temporary = Path(name)
    try:
        fill(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink()
        raise


def read_archive(path: Path) -> Archive:
    """Map ``path`` and return its members after checking the structure of the container.

    Raises:
        RuntimeFailure: TND-U006 if there is no such file, TND-A001 if the container is damaged.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                _damaged(path, "it is empty")
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            entries = zipfile.ZipFile(file).infolist()
            return Archive(path, _members(mapped, entries))
    except OSError as error:
        fail("TND-U006", f"cannot read {path}: {error.strerror or error}", help="check the path and its permissions")
    except _MALFORMED as error:
        _damaged(path, str(error))


def _write_zip(file: IO[bytes], members: Mapping[str, Sequence[Chunk]]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name in sorted(members):
            chunks = members[name]
            large = sum(len(chunk) for chunk in chunks) >= _ZIP64_FROM
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            info.extra = _padding(file.tell() + _LOCAL.size + len(name) + (_ZIP64_EXTRA if large else 0))
            with archive.open(info, "w", force_zip64=large) as member:
                for chunk in chunks:
                    member.write(chunk)


def _padding(offset: int) -> bytes:
    """Return an extra field that moves data which would begin at ``offset`` to the next aligned place."""
    fill = -(offset + 4) % ALIGNMENT
    return struct.pack("<HH", _PADDING_ID, fill) + bytes(fill)


def _members(mapped: memoryview, entries: Iterable[zipfile.ZipInfo]) -> dict[str, memoryview]:
    members: dict[str, memoryview] = {}
    spans: list[tuple[int, int]] = []
    for info in entries:
        name = info.filename
        if info.orig_filename != MANIFEST and not is_member_path(info.orig_filename):
            raise ValueError(f"it holds the unexpected path {name[:64]!r}")
        if name in members:
            raise ValueError(f"the member {name!r} occurs twice")
        if len(members) >= MAX_MEMBERS:
            raise ValueError(f"it has more than {MAX_MEMBERS} members")
        begin, end = _span(mapped, info)
        members[name] = mapped[begin:end]
        spans.append((info.header_offset, end))
    spans.sort()
    if any(left[1] > right[0] for left, right in itertools.pairwise(spans)):
        raise ValueError("two members overlap")
    if MANIFEST not in members:
        raise ValueError(f"it has no {MANIFEST}")
    crc = next(info.CRC for info in entries if info.filename == MANIFEST)
    if zlib.crc32(members[MANIFEST]) != crc:
        raise ValueError(f"{MANIFEST} fails its checksum")
    return members


def _span(mapped: memoryview, info: zipfile.ZipInfo) -> tuple[int, int]:
    """Return where the data of a member begins and ends, from its local header."""
    place = repr(info.filename)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size or info.flag_bits & ~0x800:
        raise ValueError(f"the member {place} is compressed or encrypted")
    header = mapped[info.header_offset : info.header_offset + _LOCAL.size]
    signature, _, flags, method, _, _, _, _, _, name_size, extra_size = _LOCAL.unpack(header)
    begin = info.header_offset + _LOCAL.size
    name = bytes(mapped[begin : begin + name_size])
    agrees = flags == info.flag_bits and method == 0 and name == info.orig_filename.encode()
    if signature != b"PK\x03\x04" or not agrees:
        raise ValueError(f"the headers of the member {place} disagree")
    begin += name_size + extra_size
    end = begin + info.file_size
    if end > len(mapped):
        raise ValueError(f"the member {place} goes past the end of the file")
    if begin % ALIGNMENT:
        raise ValueError(f"the member {place} is not aligned to {ALIGNMENT} bytes")
    return begin, end


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _damaged(path: Path, reason: str) -> NoReturn:
    fail("TND-A001", f"{path} is not a valid artifact: {reason}", help="copy or build the artifact again")
