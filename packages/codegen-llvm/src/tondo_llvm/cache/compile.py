"""Compilation that looks into the cache first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tondo_llvm.cache.key import object_key
from tondo_llvm.toolchain import DEFAULT_OPTIMIZATION, ObjectCode, compile_many

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tondo_llvm.cache.store import ObjectCache
    from tondo_llvm.toolchain import MachineSpec, Optimization, Source


def compile_cached(
    items: Sequence[Source],
    machine: MachineSpec,
    optimization: Optimization = DEFAULT_OPTIMIZATION,
    *,
    cache: ObjectCache | None,
    jobs: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[ObjectCode]:
    """Return what :func:`tondo_llvm.toolchain.compile_many` returns, compiling only what ``cache`` does not have.

    Equal modules are compiled once. ``progress`` counts the modules that are compiled, not those found. With
    ``cache=None`` nothing is looked up or stored.

    Raises:
        TondoError: as ``compile_many``; nothing is stored then.
    """
    if cache is None:
        return compile_many(items, machine, optimization, jobs=jobs, progress=progress)
    keys = [object_key(item.name, item.ir_text, machine, optimization) for item in items]
    found: dict[str, bytes] = {}
    missing: dict[str, Source] = {}
    for key, item in zip(keys, items, strict=True):
        if key in found or key in missing:
            continue
        data = cache.get(key)
        if data is None:
            missing[key] = item
        else:
            found[key] = data
    compiled = compile_many(list(missing.values()), machine, optimization, jobs=jobs, progress=progress)
    for key, code in zip(missing, compiled, strict=True):
        found[key] = code.data
        cache.put(key, code.data)
    return [ObjectCode(item.name, found[key]) for key, item in zip(keys, items, strict=True)]
