"""The machine that runs a model: processor features under LLVM's names, and how many threads it grants.

Features come from ``/proc/cpuinfo``; if that cannot be read, from llvmlite where installed. Threads are what the
scheduler affinity and the cgroup quota (v2 or v1) of the process allow.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from tondo_runtime.errors import fail

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tondo_runtime.manifest import TargetSpec

_CPUINFO = Path("/proc/cpuinfo")
_CGROUPS = Path("/proc/self/cgroup")
_CGROUP_ROOT = Path("/sys/fs/cgroup")

# Linux flag -> LLVM features, where LLVM's name is not the flag without or with other separators.
_LLVM_NAMES: dict[str, tuple[str, ...]] = {
    "pni": ("sse3",),
    "sse4_1": ("sse4.1",),
    "sse4_2": ("sse4.2", "crc32"),
    "abm": ("lzcnt",),
    "lahf_lm": ("sahf",),
    "pclmulqdq": ("pclmul",),
    "rdrand": ("rdrnd",),
    "sha_ni": ("sha",),
    "bmi1": ("bmi",),
    "3dnowprefetch": ("prfchw",),
    "ospke": ("pku",),
    "lm": ("64bit",),
    "avx512f": ("avx512f", "evex512"),
    "user_shstk": ("shstk",),
    "fp": ("fp-armv8",),
    "asimd": ("neon",),
    "asimddp": ("dotprod",),
    "asimdhp": ("fullfp16",),
    "asimdrdm": ("rdm",),
    "asimdfhm": ("fp16fml",),
    "atomics": ("lse",),
    "crc32": ("crc",),
    "lrcpc": ("rcpc",),
    "dcpop": ("ccpp",),
    "jscvt": ("jsconv",),
    "fcma": ("complxnum",),
    "pmull": ("aes",),
    "paca": ("pauth",),
}
# The kernel may hide these, and a code generator never emits them unasked.
_NEVER_EMITTED = frozenset({"shstk", "pku", "invpcid", "xsaves", "rdpid"})
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686"}


def parse_cpuinfo(text: str) -> frozenset[str]:
    """Return the LLVM feature names that the first processor of a ``/proc/cpuinfo`` text has."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in {"flags", "Features"}:
            return frozenset(name for flag in value.split() for name in _names(flag))
    return frozenset()


@functools.cache
def host_features() -> frozenset[str] | None:
    """Return the features of this machine under LLVM's names, or None if they cannot be found out."""
    try:
        features = parse_cpuinfo(_CPUINFO.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        features = frozenset[str]()
    return features or _llvm_features()


def check_target(target: TargetSpec, place: str) -> None:
    """Refuse code that this machine cannot run.

    Only the host is looked at, whatever the kind of the target: code for a device is checked by its loader.

    Raises:
        RuntimeFailure: TND-A002, naming what is missing.
    """
    rebuild = "compile the model on this machine, or with target: {cpu: generic}"
    made_for, here = _architecture(target.triple.partition("-")[0]), _architecture(platform.machine())
    if target.triple and made_for != here:
        fail("TND-A002", f"{place} holds code for {made_for}, this machine is {here}", help=rebuild)
    wanted = [feature.removeprefix("+") for feature in target.features if not feature.startswith("-")]
    if not wanted:
        return
    present = host_features()
    if present is None:
        fail(
            "TND-A002",
            f"{place} needs processor features and those of this machine cannot be found out",
            help='install the optional component: pip install "tondo-runtime[llvmlite]"',
        )
    missing = [feature for feature in wanted if feature not in present and feature not in _NEVER_EMITTED]
    if missing and not set(missing) <= (_llvm_features() or frozenset()):
        fail("TND-A002", f"{place} needs a processor with {', '.join(missing)}, this one lacks it", help=rebuild)


def default_threads() -> int:
    """Return how many threads this process may use: its affinity, cut by its cgroup quota."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_quota()
    return max(1, affinity if quota is None else min(affinity, math.ceil(quota)))


def cgroup_quota(membership: Path = _CGROUPS, root: Path = _CGROUP_ROOT) -> float | None:
    """Return the processor quota of this process in processors, the smallest of its cgroup's and all parents'.

    Args:
        membership: a file as ``/proc/self/cgroup``.
        root: where the cgroup file systems are mounted.
    """
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    quotas = [quota for line in lines for quota in _quotas(line, root)]
    return min(quotas, default=None)


def _quotas(line: str, root: Path) -> Iterator[float]:
    _, _, rest = line.partition(":")
    controllers, _, path = rest.partition(":")
    if controllers and "cpu" not in controllers.split(","):
        return
    base = root / controllers if controllers else root
    if controllers and not base.is_dir():
        base = root / "cpu"
    relative = Path(path.strip().lstrip("/"))
    if ".." in relative.parts:
        relative = Path()
    for folder in (relative, *relative.parents):
        quota = _v1_quota(base / folder) if controllers else _v2_quota(base / folder)
        if quota is not None:
            yield quota


def _v2_quota(folder: Path) -> float | None:
    words = _words(folder / "cpu.max")
    return _ratio(words[0], words[1]) if len(words) == 2 else None


def _v1_quota(folder: Path) -> float | None:
    quota, period = _words(folder / "cpu.cfs_quota_us"), _words(folder / "cpu.cfs_period_us")
    return _ratio(quota[0], period[0]) if quota and period else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _ratio(quota: str, period: str) -> float | None:
    if not quota.isdigit() or not period.isdigit() or int(quota) == 0 or int(period) == 0:
        return None
    return int(quota) / int(period)


def _names(flag: str) -> tuple[str, ...]:
    return (flag, flag.replace("_", "-"), flag.replace("_", ""), *_LLVM_NAMES.get(flag, ()))


def _architecture(name: str) -> str:
    return _ARCHITECTURES.get(name.lower(), name.lower())


def _llvm_features() -> frozenset[str] | None:
    try:
        binding = importlib.import_module("llvmlite.binding")
    except ImportError:
        return None
    features: dict[str, bool] = dict(binding.get_host_cpu_features())
    return frozenset(name for name, present in features.items() if present)
