"""Digests of an artifact's members, by several threads where a member is large.

SHA-256 of one stream keeps one processor busy, and weights are most of what a start from the cache reads. So a member
of more than one block also has the digest of each of its blocks, and these are what opening verifies, side by side.
The digest of the whole stands beside them for every other tool.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from tondo_runtime.host import default_threads
from tondo_runtime.manifest import MemberSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tondo_runtime.archive import Chunk

BLOCK_BYTES: Final = 1 << 24
"""Bytes of every block but the last; part of the artifact's format."""


def digest_member(chunks: Sequence[Chunk]) -> MemberSpec:
    """Return size and digests of a member that is written as ``chunks``."""
    size = sum(len(chunk) for chunk in chunks)
    if size <= BLOCK_BYTES:
        return MemberSpec(_digest(chunks), size)
    whole, *blocks = _side_by_side([chunks, *_blocks(chunks)])
    return MemberSpec(whole, size, tuple(blocks))


def is_whole(data: memoryview, spec: MemberSpec) -> bool:
    """Return whether ``data`` has the digests of ``spec``; the size is known to agree."""
    if not spec.blocks:
        return _digest([data]) == spec.sha256
    return _side_by_side(list(_blocks([data]))) == list(spec.blocks)


def _blocks(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Yield the pieces of each block, without copying."""
    pieces: list[Chunk] = []
    room = BLOCK_BYTES
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            pieces.append(view[:room])
            taken = len(pieces[-1])
            view, room = view[taken:], room - taken
            if room == 0:
                yield pieces
                pieces, room = [], BLOCK_BYTES
    if pieces:
        yield pieces


def _digest(pieces: Iterable[Chunk]) -> str:
    state = hashlib.sha256()
    for piece in pieces:
        state.update(piece)
    return state.hexdigest()


def _side_by_side(streams: Sequence[Sequence[Chunk]]) -> list[str]:
    """Return the digest of each stream; hashing does not hold the interpreter's lock."""
    digest: Callable[[Iterable[Chunk]], str] = _digest
    threads = min(default_threads(), len(streams))
    if threads == 1:
        return [digest(stream) for stream in streams]
    from concurrent.futures import ThreadPoolExecutor  # loads much that a start without large members does not need

    with ThreadPoolExecutor(threads, "tondo-digest") as executor:
        return list(executor.map(digest, streams))
