"""Where the pool's words lie in memory, and how the state word is divided (see :mod:`tondo_llvm.pool.ir`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tondo_llvm.pool.platform import PoolPlatform

OPEN: Final = 1 << 31
WAITING: Final = 1 << 30
STOP: Final = 1 << 29
SEAT: Final = 1 << 16
SEATS_MASK: Final = 0x1FFF << 16
ACTIVE_MASK: Final = 0xFFFF
GENERATION: Final = 1 << 32
MAX_WORKERS: Final = 1023


def offsets(platform: PoolPlatform) -> dict[str, int]:
    """Byte offsets inside the pool; words that different threads write lie on different cache lines."""
    line = platform.cache_line
    return {
        "state": 0,
        "next": line,
        "body": 2 * line,
        "closure": 2 * line + 8,
        "count": 2 * line + 16,
        "grain": 2 * line + 24,
        "chunks": 2 * line + 32,
        "result": 2 * line + 40,
        "busy": 3 * line,
        "sleepers": 4 * line,
        "workers": 5 * line,
        "process": 5 * line + 4,
        "threads": 6 * line,
    }


def field(platform: PoolPlatform, name: str, register: str | None = None) -> str:
    """Instruction that sets ``%register`` (``%p.name`` if not given) to the address of a field of ``%pool``."""
    return f"  %{register or 'p.' + name} = getelementptr inbounds i8, ptr %pool, i64 {offsets(platform)[name]}"
