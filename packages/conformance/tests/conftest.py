"""Running the kit as its users do: pytest in another process, against an installed back end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tondo.plugin import collect

HERE = Path(__file__).parent


@dataclass
class Ran:
    """A run of the kit: its exit status, its terminal output, its JSON report."""

    status: int
    out: str
    report: dict

    def outcomes(self):
        return {entry["id"]: entry["outcome"] for entry in self.report["cases"]}

    def case(self, name):
        return next(entry for entry in self.report["cases"] if entry["id"] == name)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A folder on the path with an installed plugin 'bad'."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(HERE / "bad_backend.py", folder)
    info = folder / "tondo_bad-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tondo-bad\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tondo.plugins]\nbad = bad_backend\n")
    return folder


@pytest.fixture
def kit(site, tmp_path):
    """Run the kit with options; ``fault`` and ``codegen`` choose how the back end breaks."""

    def run(*options, fault="", codegen=None, **variables):
        words = list(options)
        if fault or codegen:
            words += ["--tondo-config", str(pipeline(tmp_path, fault, codegen))]
        if codegen:
            variables["TONDO_BAD_CODEGEN"] = "1"
        report = tmp_path / "report.json"
        before = os.environ.get("PYTHONPATH")
        path = f"{site}{os.pathsep}{before}" if before else str(site)
        done = subprocess.run(
            [
                sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull,
                "--rootdir", str(tmp_path), "--pyargs", "tondo_conformance", "--tondo-jobs", "1",
                "--tondo-report", str(report), *words,
            ],
            capture_output=True, text=True, timeout=600, cwd=tmp_path, check=False,
            env={**os.environ, "PYTHONPATH": path, **variables},
        )  # fmt: skip
        content = json.loads(report.read_text()) if report.is_file() else {}
        return Ran(done.returncode, done.stdout + done.stderr, content)

    return run


def pipeline(folder, fault, codegen):
    """Write the default pipeline of CPUs with the pass that breaks in front."""
    steps = [{"use": "bad.fault", "what": fault}] if fault in {"leak", "crash", "random"} else []
    for entry in collect("").pipelines["cpu"].passes:
        steps.append({"use": entry.use, **dict(entry.options)})
        if entry.use == "graph.define" and fault == "wrong":
            steps.append({"use": "bad.fault", "what": fault})
    generator = {"use": "bad", "what": codegen} if codegen else {"use": "llvm"}
    path = folder / "pipeline.yaml"
    path.write_text(json.dumps({"tondo": 1, "passes": steps, "codegen": generator}))
    return path
