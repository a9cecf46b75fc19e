"""Object code kept on disk between compilations, found again by content."""

from __future__ import annotations

from tondo_llvm.cache.compile import compile_cached
from tondo_llvm.cache.key import object_key
from tondo_llvm.cache.settings import default_cache
from tondo_llvm.cache.store import CacheWarning, ObjectCache

__all__ = ["CacheWarning", "ObjectCache", "compile_cached", "default_cache", "object_key"]
