"""Checks the Markdown pages of the repository: links lead somewhere, and marked code blocks run.

``python docs/check.py [PAGE...]``. A code block after a line ``<!-- run -->`` is run: blocks of a page in order, in one
fresh folder, ``python`` blocks of the page in one namespace, ``sh`` blocks by ``sh -e``. After ``<!-- pipeline -->``, a
``yaml`` block is checked as a pipeline file. Links to other sites are not followed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/**/*.md", "packages/**/README.md", "plugins/**/README.md", "examples/**/*.md")

_BLOCK = re.compile(
    r"^(?P<indent> *)<!-- (?P<mark>run|pipeline) -->\n(?P=indent)```(?P<language>\w+)\n(?P<body>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]\n]*(?:`[^`\n]*`)?[^\]\n]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A marked code block: where it stands, its language, what to do with it."""

    line: int
    mark: str
    language: str
    text: str


def pages() -> list[Path]:
    """Return every page, without what tools put into hidden folders."""
    found = {page for pattern in PAGES for page in ROOT.glob(pattern)}
    return sorted(page for page in found if not any(part.startswith(".") for part in page.relative_to(ROOT).parts))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, formed as code hosting sites do."""
    plain = _FENCE.sub("", text)
    return {re.sub(r"[^\w\- ]", "", title.lower().strip()).replace(" ", "-") for title in _HEADING.findall(plain)}


def broken_links(page: Path) -> Iterator[str]:
    """Yield a message per link of ``page`` to a file or heading that does not exist."""
    text = _FENCE.sub("", page.read_text())
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        if not target.exists():
            yield f"{page.relative_to(ROOT)}: link to {link}: no such file"
        elif anchor and anchor not in anchors(target.read_text()):
            yield f"{page.relative_to(ROOT)}: link to {link}: no such heading"


def blocks(page: Path) -> list[Block]:
    """Return the marked code blocks of ``page`` in order."""
    text = page.read_text()
    found: list[Block] = []
    for match in _BLOCK.finditer(text):
        indent = len(match["indent"])
        body = "".join(line[indent:] if line.strip() else "\n" for line in match["body"].splitlines(keepends=True))
        found.append(Block(text.count("\n", 0, match.start("body")) + 1, match["mark"], match["language"], body))
    return found


def script(found: list[Block]) -> str:
    """Return a Python program that runs all ``found`` blocks of a page."""
    lines = [
        "import subprocess as _subprocess",
        "from linecache import cache as _lines",  # where the source of a function is looked up, as for notebook cells
        "_names = {'__name__': '__page__'}",
    ]
    for block in found:
        where = f"line {block.line}"
        lines.append(f"print({where!r}, flush=True)")
        if block.mark == "pipeline":
            lines.append(f"open('pipeline.yaml', 'w').write({block.text!r})")
            lines.append("_subprocess.run(['tondo', 'pipeline', 'check', 'pipeline.yaml'], check=True)")
        elif block.language == "python":
            padded, name = "\n" * (block.line - 1) + block.text, f"page, line {block.line}"
            lines.append(f"_lines[{name!r}] = ({len(padded)}, None, {padded!r}.splitlines(True), {name!r})")
            lines.append(f"exec(compile({padded!r}, {name!r}, 'exec'), _names)")
        else:
            lines.append(f"_subprocess.run(['sh', '-ec', {block.text!r}], check=True)")
    return "\n".join(lines)


def failures(page: Path) -> Iterator[str]:
    """Yield a message if a marked block of ``page`` fails."""
    found = blocks(page)
    if not found:
        return
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", script(found)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode:
        yield f"{page.relative_to(ROOT)}: a code block fails:\n{done.stdout}"


def main(arguments: list[str]) -> int:
    """Check the pages named in ``arguments``, or all, and return the exit status."""
    chosen = [Path(argument).resolve() for argument in arguments] or pages()
    problems = [problem for page in chosen for check in (broken_links, failures) for problem in check(page)]
    for problem in problems:
        print(problem, file=sys.stderr)
    count = sum(len(blocks(page)) for page in chosen)
    print(f"{len(chosen)} pages, {count} code blocks run, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
