"""Programs of a few lines that look at a plugin from a fresh process; each prints one line of JSON.

A fresh process is the only place where the cost of an import, and what it drags in, can be seen.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

from tondo_conformance.outcome import mismatch

_SECONDS: Final = 120

ONLY_TONDO: Final = """
import json, sys
import tondo
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""

IMPORT: Final = """
import importlib, json, sys, time
import tondo.plugin
before, begin = set(sys.modules), time.process_time()
importlib.import_module(sys.argv[1])
seconds = time.process_time() - begin
loaded = sorted({name.partition(".")[0] for name in set(sys.modules) - before})
print(json.dumps({"seconds": seconds, "modules": loaded}))
"""

COLLECT: Final = """
import json, sys, time
from tondo.plugin import collect
before, begin = set(sys.modules), time.process_time()
extensions = collect(sys.argv[1], strict=False)
seconds = time.process_time() - begin
print(json.dumps({
    "seconds": seconds,
    "modules": sorted({name.partition(".")[0] for name in set(sys.modules) - before}),
    "plugins": {report.id: report.status for report in extensions.plugins},
    "problems": [str(entry.render()) for report in extensions.plugins for entry in report.diagnostics],
    "clashes": [entry.message for entry in extensions.clashes],
}))
"""

RUN_WITHOUT: Final = """
import json, sys
import numpy as np
import tondo
from tondo.diagnostics import TondoError
from tondo.plugin import collect
from tondo.script import parse
extensions = collect(sys.argv[1], strict=False)
module = parse(sys.argv[2])
found = {}
for target in ("interp", "native"):
    try:
        model = tondo.compile(module, target=target, config={"cache": False}, extensions=extensions)
        found[target] = model(np.arange(6, dtype=np.float32).reshape(2, 3)).tolist()
    except TondoError as error:
        found[target] = error.code
print(json.dumps(found))
"""


def ask(program: str, *arguments: str, folder: Path | None = None) -> object:
    """Run ``program`` in a fresh process and return what it prints.

    Args:
        program: source text.
        arguments: what it finds in ``sys.argv[1:]``.
        folder: an empty folder that becomes its working directory and its home.

    Raises:
        Mismatch: if it fails, with the end of its error stream.
    """
    changes: Mapping[str, str] = {}
    if folder is not None:
        home = str(folder)
        changes = {"HOME": home, "XDG_CACHE_HOME": home, "USERPROFILE": home, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        cwd=folder,
        env={**os.environ, **changes},
    )
    if done.returncode != 0:
        mismatch(f"a fresh process ended with status {done.returncode}: {done.stderr[-1500:]}")
    return cast("object", json.loads(done.stdout.splitlines()[-1]))


def asked(program: str, *arguments: str, folder: Path | None = None) -> dict[str, object]:
    """Return what :func:`ask` does, of a program that prints a mapping."""
    found = ask(program, *arguments, folder=folder)
    assert isinstance(found, dict)
    return cast("dict[str, object]", found)
