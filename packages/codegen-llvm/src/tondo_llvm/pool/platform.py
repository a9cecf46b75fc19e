"""What the pool needs to know of an operating system and a processor: system call numbers and the pause instruction."""

from __future__ import annotations

from dataclasses import dataclass

from tondo.diagnostics import fail


@dataclass(frozen=True, slots=True)
class PoolPlatform:
    """Facts of one platform.

    Attributes:
        sys_futex: number of the ``futex`` system call.
        pause: one LLVM instruction that tells the processor that this is a spin loop.
        cache_line: bytes between words that different threads write; two lines on x86, whose prefetcher fetches pairs.
    """

    sys_futex: int
    pause: str
    cache_line: int = 128


_LINUX = {
    "x86_64": PoolPlatform(sys_futex=202, pause="call void @llvm.x86.sse2.pause()"),
    "aarch64": PoolPlatform(sys_futex=98, pause="call void @llvm.aarch64.isb(i32 15)"),
}
_ALIASES = {"amd64": "x86_64", "arm64": "aarch64"}


def pool_platform(triple: str) -> PoolPlatform:
    """Return the facts for ``triple``.

    Raises:
        TondoError: TND-B005 if the pool does not know the platform (it knows Linux on x86-64 and AArch64).
    """
    architecture = triple.split("-", 1)[0].lower()
    platform = _LINUX.get(_ALIASES.get(architecture, architecture))
    if platform is None or "linux" not in triple or "gnux32" in triple:
        fail(
            "TND-B005",
            f"the thread pool has no implementation for '{triple}'",
            notes=("it needs futex and pthreads: Linux on x86-64 or AArch64",),
            help="compile with threads=1, or hand the runtime a parallel_for of your own",
        )
    return platform
