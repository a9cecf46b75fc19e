"""Patterns of cases, declarations, settings."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tondo_conformance.case import case, chosen, matches
from tondo_conformance.declared import Declaration, read_declarations
from tondo_conformance.settings import Settings


@pytest.mark.parametrize(
    ("patterns", "taken"),
    [
        ("", True),
        ("L2/add", True),
        ("L2/add/*", True),
        ("L2/*/float32/*", True),
        ("L2/mul", False),
        ("L2/mul,L2/add", True),
        ("-float32", False),
        ("L2/*,-L2/add/*", False),
        ("-L2/mul", True),
    ],
)
def test_patterns(patterns, taken):
    assert matches("L2/add/float32/plain", patterns) is taken


def test_levels_and_the_short_selection():
    every = [case(level, "g", f"v{level}", lambda _: None, quick=level != "L1") for level in ("L0", "L1", "L2", "L4")]
    ids = lambda **options: [entry.info.id for entry in chosen(every, Settings(**options))]  # noqa: E731
    assert ids(level="L2") == ["L0/g/vL0", "L1/g/vL1", "L2/g/vL2"]
    assert ids(level="L4", quick=True) == ["L0/g/vL0", "L2/g/vL2", "L4/g/vL4"]
    with pytest.raises(ValueError, match="two cases"):
        list(chosen([every[0], every[0]], Settings()))


def test_settings_survive_json():
    settings = Settings(target="npu", level="L4", quick=True)
    assert Settings.from_json(settings.to_json()) == settings


def test_declarations(tmp_path):
    path = tmp_path / "declared.toml"
    path.write_text('[[unsupported]]\ncases = "L2/*/float64/*"\nreason = "no float64"\n')
    (found,) = read_declarations(path)
    assert found == Declaration("L2/*/float64/*", "no float64")
    assert found.matches("L2/add/float64/plain")
    assert not found.matches("L2/add/float32/plain")


@pytest.mark.parametrize(
    "text",
    ["x = 1", "unsupported = 3", '[[unsupported]]\ncases = "L2"', '[[unsupported]]\ncases = 3\nreason = "x"', "[[["],
)
def test_a_wrong_declaration_says_so(tmp_path, text):
    path = tmp_path / "declared.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        read_declarations(path)


def test_the_pytest_plugin_imports_nothing_of_tondo():
    statement = "import sys, tondo_conformance.plugin; print({'tondo', 'tondo_runtime', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
