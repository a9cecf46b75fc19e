"""The plugin ``blas``: the library ``openblas``."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.passes import Library
from tondo.plugin import PluginInfo, hookimpl
from tondo_blas.library import OpenBlas

TONDO_PLUGIN = PluginInfo("OpenBLAS for products of matrices", api=1, min_core="0.1")


@hookimpl
def register_libraries() -> Sequence[Library]:
    """Return the library."""
    return [OpenBlas()]
