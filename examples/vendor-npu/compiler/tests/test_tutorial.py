"""The tutorial: code that it shows is code of the packages, and what it tries works, in one namespace."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2]
PAGE = FOLDER / "TUTORIAL.md"
_BLOCK = re.compile(r"^<!-- (from (?P<file>\S+)|try) -->\n```python\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def quoted(body: str, text: str) -> bool:
    """Whether the lines of ``body`` stand in ``text``, in order, gaps where the page has them."""
    parts = re.split(r"^ *\.\.\.\n", body, flags=re.MULTILINE)
    place = 0
    for part in parts:
        place = text.find(part.strip("\n"), place)
        if place < 0:
            return False
    return True


def test_what_the_page_shows_is_the_code() -> None:
    blocks = list(_BLOCK.finditer(PAGE.read_text()))
    shown = [block for block in blocks if block["file"]]
    assert len(shown) >= 8
    for block in shown:
        text = (FOLDER / block["file"]).read_text()
        assert quoted(block["body"], text), f"{block['file']} does not hold:\n{block['body']}"


@pytest.mark.llvm
def test_what_the_page_tries_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    tried = [block for block in _BLOCK.finditer(PAGE.read_text()) if not block["file"]]
    assert len(tried) >= 6
    for block in tried:
        line = PAGE.read_text()[: block.start()].count("\n") + 1
        exec(compile("\n" * (line + 1) + block["body"], str(PAGE), "exec"), namespace)
