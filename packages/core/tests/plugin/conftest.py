from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

HEADER = """
from tondo.plugin import PluginInfo, hookimpl
TONDO_PLUGIN = PluginInfo("test")
"""


@dataclass
class Site:
    """A folder on the path into which a test installs distributions."""

    root: Path

    def install(self, distribution, plugins, *, version="1.0", header=HEADER, entries=None):
        """Write a distribution whose plugins are ``{id: source}``; module names are ``<distribution>_<id>``."""
        stem = distribution.replace("-", "_")
        lines = ["[tondo.plugins]"]
        for plugin, source in plugins.items():
            module = f"{stem}_{plugin.replace('-', '_').replace('.', '_')}"
            (self.root / f"{module}.py").write_text(header + dedent(source))
            lines.append(f"{plugin} = {module}")
        lines += [f"{name} = {value}" for name, value in (entries or {}).items()]
        info = self.root / f"{stem}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty site folder; nothing installed elsewhere is a plugin during the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    import importlib.metadata as metadata

    real = metadata.distributions
    monkeypatch.setattr(metadata, "distributions", lambda: real(path=[str(tmp_path)]))
    importlib.invalidate_caches()
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
