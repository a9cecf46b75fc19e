"""Lock files: which plugins are installed, in which versions."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from tondo.diagnostics import fail
from tondo.plugin import collect, lock_of
from tondo_cli.output import Output


def write_lock(path: Path, chosen: str, out: Output) -> None:
    """Write the lock file ``path`` of the chosen plugins.

    Raises:
        TondoError: with the reasons of a plugin that cannot be loaded, TND-U005 for a file that cannot be written.
    """
    lock = lock_of(collect(chosen))
    try:
        path.write_text(lock.text(), encoding="utf-8")
    except OSError as error:
        fail("TND-U005", f"{path} cannot be written: {error.strerror}")
    lines = [f"wrote {path}: tondo-core {lock.core} and {len(lock.plugins)} plugins"]
    out.result({"path": str(path), "core": lock.core, "plugins": [asdict(entry) for entry in lock.plugins]}, lines)
