"""Importing Tondo and asking for help stay light: heavy modules load when they are needed, plugins when asked for."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from tondo_cli.app import COMMANDS

HEAVY = ("llvmlite", "onnx", "onnxruntime", "torch", "typer", "rich", "pydantic", "ruamel", "pluggy")


def loaded_after(statement: str) -> set[str]:
    script = f"import sys, json; {statement}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["tondo", "tondo_runtime", "tondo_cli"])
def test_import_loads_nothing_heavy(module):
    assert loaded_after(f"import {module}") & set(HEAVY) == set()


def test_import_tondo_discovers_no_plugin():
    plugins = {"tondo_ops", "tondo_passes", "tondo_cpu", "tondo_x86", "tondo_onnx", "tondo_llvm", "tondo_schedule"}
    assert loaded_after("import tondo") & plugins == set()


@pytest.mark.parametrize("module", [f"tondo_{name}.plugin" for name in ("onnx", "llvm", "ops", "passes", "cpu", "x86")])
def test_plugin_modules_are_light(module):
    assert loaded_after(f"import {module}") & {"llvmlite", "onnx", "onnxruntime", "torch", "typer", "rich"} == set()


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_is_quick(arguments):
    """0.3 s on an idle machine; on a busy one, what the bare interpreter takes tells how busy it is."""
    bare = min(_seconds(["-c", "pass"]) for _ in range(3))
    factor = max(1.0, bare / 0.02)
    assert min(_seconds(["-m", "tondo_cli", *arguments]) for _ in range(4)) < 0.3 * factor


def test_help_of_the_command_line_loads_no_compiler():
    heavy = {"llvmlite", "onnx", "onnxruntime", "rich", "ruamel", "numpy", "tondo_runtime", "tondo_schedule"}
    for command in COMMANDS:
        statement = f"from tondo_cli.main import main; main(['{command}', '--help'])"
        assert loaded_after(statement) & heavy == set(), command


def test_a_compilation_without_a_file_loads_no_parser_of_files():
    assert loaded_after("import tondo.driver") & {"ruamel", "llvmlite", "onnx"} == set()


def _seconds(arguments: list[str]) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    return time.perf_counter() - begin
