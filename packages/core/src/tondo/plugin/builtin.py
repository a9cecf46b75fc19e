"""The core's own plugin: baseline targets. It takes the same road as every other."""

from __future__ import annotations

from collections.abc import Sequence

from tondo.plugin.info import PluginInfo
from tondo.plugin.markers import hookimpl
from tondo.support.version import __version__
from tondo.target.baseline import BASELINE_PROVIDERS
from tondo.target.provider import TargetProvider

TONDO_PLUGIN = PluginInfo("core", min_core=__version__)


@hookimpl
def register_targets() -> Sequence[TargetProvider]:
    """Return the baseline CPU and the interpreter."""
    return BASELINE_PROVIDERS
