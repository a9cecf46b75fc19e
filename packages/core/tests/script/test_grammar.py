"""The page of the grammar is complete: every node class and every word of the script stands on it."""

from __future__ import annotations

from importlib.resources import files

import pytest

import tondo.ir
from tondo.ir import LOOP_KINDS, Node

PAGE = (files("tondo.ir") / "grammar.md").read_text(encoding="utf-8")
BASES = {"Node", "Expr", "Stmt", "Operation", "Type"}
WORDS = [
    "seq",
    "block",
    "spatial",
    "reduction",
    "reads",
    "writes",
    "where",
    "attributes",
    "init",
    "store",
    "evaluate",
    "invoke",
    "invoke_packed",
    "let",
    "allocate",
    "view",
    "select",
    "cast",
    "ramp",
    "broadcast",
    "load",
    "neg",
    "intrin",
    "min",
    "max",
    "truncdiv",
    "truncmod",
    "call",
    "call_dps",
    "call_packed",
    "call_graph",
    "shape_value",
    "match_shape",
    "if_region",
    "loop_region",
    "constant",
    "data",
    "expr",
    "var",
    "dtype",
    "float",
    "bind",
]


def classes() -> list[str]:
    found = [value for value in vars(tondo.ir).values() if isinstance(value, type) and issubclass(value, Node)]
    return sorted({item.__name__ for item in found} - BASES)


@pytest.mark.parametrize("name", classes())
def test_every_node_class_is_named(name: str) -> None:
    assert f"{name} " in PAGE


@pytest.mark.parametrize("word", [*WORDS, *sorted(LOOP_KINDS)])
def test_every_word_is_named(word: str) -> None:
    assert f"{word}(" in PAGE or f" {word} " in PAGE


def test_one_page() -> None:
    assert len(PAGE.splitlines()) < 110
    assert max(map(len, PAGE.splitlines())) <= 120
