"""Operators without a package: from files and from Python, for one compilation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import tondo
from tondo.diagnostics import TondoError
from tondo.driver.attach import attach
from tondo.driver.plan import make_plan
from tondo.ir import Operator
from tondo.passes import Miss
from tondo.plugin import Extensions, collect
from tondo.script import parse

# The bodies of operators are script: names such as Buffer have no meaning to Python.
# ruff: noqa: F821
# pyright: reportUndefinedVariable=false

FILE = """from __future__ import annotations

from dataclasses import dataclass

import tondo
from tondo.passes import Miss


@tondo.operator(name="mine.double")
def double(x: Buffer((n,)), y: Buffer((n,))):
    for i in range(n):
        y[i] = x[i] * 2


@tondo.operator(name="mine.half")
def half(x: Buffer((n,)), y: Buffer((n,))):
    for i in range(n):
        y[i] = x[i] / 2


@dataclass(frozen=True)
class Rule:
    name: str = "mine.rule"
    priority: int = 1

    def apply(self, function, context):
        return Miss("it is for show")


rule = Rule()
also_double = double
"""
MAIN = """
@graph_function
def main(x: Tensor((n,), "float32")):
    y: Tensor((n,), "float32") = call("mine.double", x)
    return (y,)
"""


@tondo.operator(name="mine.double")
def triple(x: Buffer((n,)), y: Buffer((n,))):
    for i in range(n):
        y[i] = x[i] * 3


@dataclass(frozen=True)
class Rule:
    name: str = "mine.rule"
    priority: int = 1

    def apply(self, function, context):
        return Miss("it is for show")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def test_a_file_brings_operators_and_rules(file):
    found = attach(Extensions(), [file])
    assert sorted(found.extensions.operators) == ["mine.double", "mine.half"]
    assert list(found.extensions.schedule_rules) == ["mine.rule"]
    assert found.known
    assert list(found.digests) == [str(file)]


def test_one_name_of_a_file(file):
    found = attach(Extensions(), [f"{file}:half"])
    assert list(found.extensions.operators) == ["mine.half"]
    assert not found.extensions.schedule_rules
    assert list(attach(Extensions(), [f"{file}:also_double"]).extensions.operators) == ["mine.double"]


def test_a_file_twice_is_the_same_file(file):
    assert len(attach(Extensions(), [file, f"{file}:half"]).extensions.operators) == 2


def test_the_digest_follows_the_contents(file):
    before = attach(Extensions(), [file]).digests
    assert attach(Extensions(), [file]).digests == before
    file.write_text(FILE.replace("* 2", "* 4"))
    after = attach(Extensions(), [file])
    assert after.digests != before
    x = np.ones(3, np.float32)
    model = tondo.compile(parse(MAIN), target="interp", ops=[file], extensions=collect("none"))
    np.testing.assert_array_equal(model(x), [4, 4, 4])


def test_operators_of_this_process():
    model = tondo.compile(parse(MAIN), target="interp", ops=[triple], extensions=collect("none"))
    np.testing.assert_array_equal(model(np.ones(2, np.float32)), [3, 3])


def test_what_has_no_digest_is_not_cached():
    assert attach(Extensions(), [triple]).known
    assert not attach(Extensions(), [Rule()]).known
    assert not attach(Extensions(), [Operator("a.b", triple.infer, triple.define)]).known
    plan = make_plan(parse(MAIN), "interp", None, None, None, collect("none"), [triple, Rule()])
    assert plan.attached is None


def test_a_pipeline_file_names_files_beside_it(file, monkeypatch, tmp_path_factory):
    (file.parent / "pipeline.yaml").write_text("tondo: 1\nops: ['mine.py:double']\n")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    model = tondo.compile(
        parse(MAIN), target="interp", config=file.parent / "pipeline.yaml", extensions=collect("none")
    )
    np.testing.assert_array_equal(model(np.ones(2, np.float32)), [2, 2])


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("x = 1\n", "TND-C006", "holds no operator"),
        ("import tondo\nraise ValueError('no')\n", "TND-C006", "failed, line 2"),
        ("def f(:\n", "TND-C006", "failed, line 1"),
        ("import not_there_at_all\n", "TND-C006", "ModuleNotFoundError"),
        (FILE.replace("x[i] * 2", "z[i]"), "TND-S002", "unknown name 'z'"),
    ],
)
def test_files_that_fail(file, text, code, message):
    file.write_text(text)
    with pytest.raises(TondoError, match=message) as caught:
        attach(Extensions(), [file])
    assert caught.value.code == code


def test_what_is_not_there(file):
    with pytest.raises(TondoError, match="cannot be read") as caught:
        attach(Extensions(), [file.parent / "other.py"])
    assert caught.value.code == "TND-U006"
    with pytest.raises(TondoError, match="has no operator 'doubel'") as caught:
        attach(Extensions(), [f"{file}:doubel"])
    assert "double" in str(caught.value)


def test_names_that_exist_already(file):
    with pytest.raises(TondoError, match=r"'mine\.double' exists already among the operators") as caught:
        attach(Extensions(), [file, triple])
    assert caught.value.code == "TND-P002"


def test_the_key_of_the_cache_says_what_was_attached(file):
    plans = [make_plan(parse(MAIN), "interp", None, None, None, collect("none"), [item]) for item in (file, triple)]
    assert plans[0].attached != plans[1].attached
