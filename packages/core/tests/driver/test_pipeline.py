from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import ClassVar, Literal

import pytest

from tondo.diagnostics import TondoError, fail
from tondo.driver.config_file import config_of, parse_config
from tondo.driver.pipeline import build_passes, choose_codegen, codegen_options, pass_specs
from tondo.plugin import Extensions, PassSpec, Pipeline
from tondo.target import BASELINE_PROVIDERS, parse_target

TARGET = parse_target("cpu", BASELINE_PROVIDERS)


@dataclass(frozen=True, slots=True)
class Fuse:
    name: ClassVar[str] = "graph.fuse"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()
    max_ops: int = 64
    rules: tuple[str, ...] = ()
    ratio: float = 0.5
    level: Literal["low", "high"] = "low"
    limit: int | None = None
    skip: frozenset[str] = field(default_factory=frozenset)
    table: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        if self.max_ops < 1:
            raise ValueError("max_ops must be positive")
        if self.limit == 13:
            fail("TND-B003", "no luck")

    def run(self, module, context):
        return module


@dataclass(frozen=True)
class Inherited(Fuse):
    name: ClassVar[str] = "graph.inherited"


EXTENSIONS = Extensions(
    passes={"graph.fuse": Fuse, "graph.inherited": Inherited},
    pipelines={"cpu": Pipeline("cpu", (PassSpec("graph.fuse"), PassSpec.of("graph.fuse", max_ops=3)))},
)


def passes(text):
    return build_passes(parse_config(text, "p.yaml"), EXTENSIONS, TARGET)


def problem(text):
    with pytest.raises(TondoError) as caught:
        passes(text)
    return caught.value.diagnostics[0]


def test_options_become_fields():
    (made,) = passes(
        "passes:\n  - use: graph.fuse\n    max_ops: 3\n    rules: [a, b]\n    ratio: 1\n    level: high\n"
        "    limit: null\n    skip: [x]\n    table: {a: 1}\n"
    )
    assert made == Fuse(3, ("a", "b"), 1.0, "high", None, frozenset({"x"}), {"a": 1})


def test_inherited_options():
    assert passes("passes: [{use: graph.inherited, max_ops: 3}]") == (Inherited(max_ops=3),)


def test_the_default_pipeline_is_that_of_the_kind():
    assert passes("") == (Fuse(), Fuse(max_ops=3))
    assert passes("passes: []") == ()


def test_the_default_pipeline_may_be_a_part_of_a_list():
    made = passes("passes: [{use: graph.inherited, max_ops: 5}, default, graph.fuse]")
    assert made == (Inherited(max_ops=5), Fuse(), Fuse(max_ops=3), Fuse())


def test_passes_are_written_with_every_option():
    assert pass_specs((Fuse(skip=frozenset({"b", "a"})),)) == [
        {
            "use": "graph.fuse", "max_ops": 64, "rules": [], "ratio": 0.5, "level": "low", "limit": None,
            "skip": ["a", "b"], "table": {},
        }
    ]  # fmt: skip
    assert passes("passes: [graph.fuse]") == build_passes(
        config_of({"passes": pass_specs((Fuse(),))}), EXTENSIONS, TARGET
    )


CASES = {
    "unknown pass": ("passes:\n  - graph.fuze\n", "TND-C003", 2, 5, "unknown pass 'graph.fuze'", "'graph.fuse'?"),
    "unknown pass in a mapping": ("passes:\n  - {use: fuse}\n", "TND-C003", 2, 11, "unknown pass 'fuse'", ""),
    "unknown option": (
        "passes: [{use: graph.fuse, max_op: 1}]", "TND-C002", 1, 28, "has no option 'max_op'", "'max_ops'?",
    ),
    "text for a number": ("passes: [{use: graph.fuse, max_ops: '3'}]", "TND-C001", 1, 37, "valid integer", ""),
    "number for text": ("passes: [{use: graph.fuse, rules: [a, 3]}]", "TND-C001", 1, 35, "'rules' [1] should be", ""),
    "bad choice": ("passes: [{use: graph.fuse, level: mid}]", "TND-C001", 1, 35, "'low' or 'high'", ""),
    "bool for a number": ("passes: [{use: graph.fuse, max_ops: true}]", "TND-C001", 1, 37, "valid integer", ""),
    "refused by the pass": ("passes: [{use: graph.fuse, max_ops: 0}]", "TND-C001", 1, 10, "must be positive", ""),
    "refused with a code": ("passes: [{use: graph.fuse, limit: 13}]", "TND-B003", 1, 10, "no luck", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_mistakes_are_shown_where_they_are(case):
    text, code, line, column, message, help_ = CASES[case]
    diagnostic = problem(text)
    assert diagnostic.code == code
    assert message in diagnostic.message
    assert help_ in (diagnostic.help or "")
    assert (diagnostic.span.line, diagnostic.span.column) == (line, column)


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(TondoError) as caught:
        passes("passes:\n  - a\n  - {use: graph.fuse, b: 1, max_ops: x}\n  - c\n")
    assert [item.span.line for item in caught.value.diagnostics] == [2, 3, 3, 4]


def test_a_kind_without_pipeline_is_refused():
    with pytest.raises(TondoError, match="install tondo-passes") as caught:
        build_passes(config_of(None), Extensions(), TARGET)
    assert caught.value.code == "TND-C004"


def codegen(name, able=True):
    return SimpleNamespace(name=name, supports=lambda target: able)


def generators(*items):
    return Extensions(codegens={item.name: item for item in items})


def test_the_only_able_code_generator_is_taken():
    assert choose_codegen(config_of(None), generators(codegen("a", False), codegen("b")), TARGET).name == "b"


def test_the_named_code_generator_is_taken():
    file = parse_config("codegen: {use: a, opt_level: 2}")
    assert choose_codegen(file, generators(codegen("a"), codegen("b")), TARGET).name == "a"
    assert codegen_options(file) == {"opt_level": 2}
    assert choose_codegen(parse_config("codegen: b"), generators(codegen("a"), codegen("b")), TARGET).name == "b"


@pytest.mark.parametrize(
    ("text", "items", "code", "message"),
    [
        ("", (), "TND-B005", "no code generator supports cpu"),
        ("", (codegen("a"), codegen("b")), "TND-B005", "several code generators support the target: a, b"),
        ("codegen: {use: lvm}", (codegen("llvm"),), "TND-C004", "did you mean 'llvm'"),
        ("codegen: llvm", (codegen("llvm", False),), "TND-B005", "does not support"),
    ],
)
def test_code_generators_that_cannot_be_had(text, items, code, message):
    with pytest.raises(TondoError) as caught:
        choose_codegen(parse_config(text), generators(*items), TARGET)
    assert caught.value.code == code
    assert message in str(caught.value)
