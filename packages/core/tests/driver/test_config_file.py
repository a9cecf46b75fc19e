from __future__ import annotations

import pytest

from tondo.diagnostics import TondoError
from tondo.driver.config import Config, json_schema
from tondo.driver.config_file import config_of, load_config, parse_config
from tondo.driver.yaml_tree import MAX_CHARACTERS, MAX_NODES, parse_yaml, write_yaml

EXAMPLE = """\
tondo: 1
model:    {path: resnet50.onnx, inputs: {data: [batch, 3, 224, 224]}}
target:   {kind: cpu, cpu: native, threads: 2}
numerics: {float32_matmul: high}
dimensions: {batch: {min: 2, max: 64}, n: 7}
passes:
  - graph.fold_constants
  - {use: graph.fuse, max_ops: 64}
  - {use: tensor.schedule, rules: [cpu.contraction, cpu.reduction]}
codegen:  {use: llvm, opt_level: 3}
verify: each-pass
cache: false
"""


def errors(text):
    with pytest.raises(TondoError) as caught:
        parse_config(text, "p.yaml")
    return caught.value.diagnostics


def test_every_key():
    config = parse_config(EXAMPLE).config
    assert config.model.path == "resnet50.onnx"
    assert config.model.inputs == {"data": ["batch", 3, 224, 224]}
    assert (config.target.cpu, config.target.threads) == ("native", 2)
    assert config.numerics.float32_matmul == "high"
    assert {name: (entry.min, entry.max) for name, entry in config.dimensions.items()} == {
        "batch": (2, 64),
        "n": (7, 7),
    }
    assert [entry.use for entry in config.passes] == ["graph.fold_constants", "graph.fuse", "tensor.schedule"]
    assert config.passes[1].model_extra == {"max_ops": 64}
    assert config.passes[2].model_extra == {"rules": ["cpu.contraction", "cpu.reduction"]}
    assert (config.codegen.use, config.codegen.model_extra) == ("llvm", {"opt_level": 3})
    assert (config.verify, config.cache) == ("each-pass", False)


@pytest.mark.parametrize("text", ["", "tondo: 1\n", "# nothing\n", "{}"])
def test_everything_has_a_default(text):
    assert parse_config(text).config == Config()
    assert Config().passes is None


@pytest.mark.parametrize(
    ("text", "cpu", "threads"),
    [("native", "native", None), ("cpu=haswell", "haswell", None), ("'cpu,threads=3'", "native", 3)],
)
def test_the_short_form_of_a_target(text, cpu, threads):
    target = parse_config(f"target: {text}").config.target
    assert (target.kind, target.cpu, target.threads) == ("cpu", cpu, threads)


CASES = {
    "unknown key": ("modle: {}\n", "TND-C002", 1, 1, "unknown key 'modle'", "did you mean 'model'?"),
    "unknown inner key": (
        "tondo: 1\nmodel:\n  path: a\n  pth: b\n",
        "TND-C002",
        4,
        3,
        "unknown key 'pth' in 'model'",
        "did you mean 'path'?",
    ),
    "unknown key in a flow": (
        "target: {cpu: native, thread: 2}\n",
        "TND-C002",
        1,
        23,
        "unknown key 'thread'",
        "'threads'",
    ),
    "unknown key of a dimension": ("dimensions: {n: {mn: 1}}", "TND-C002", 1, 18, "'mn' in 'dimensions.n'", "'min'"),
    "wrong version": ("tondo: 2\n", "TND-C001", 1, 8, "'tondo' should be 1", ""),
    "wrong type": ("\n\ncache: 3\n", "TND-C001", 3, 8, "'cache' should be a valid boolean", ""),
    "no coercion": ("target: {threads: '2'}", "TND-C001", 1, 19, "'target.threads' should be a valid integer", ""),
    "out of range": ("target: {threads: 0}", "TND-C001", 1, 19, "greater than or equal to 1", ""),
    "bad choice": (
        "numerics:\n  float32_matmul: fast\n",
        "TND-C001",
        2,
        19,
        "should be 'highest', 'high' or 'medium'",
        "",
    ),
    "bad dimension": ("model: {inputs: {x: [1, -3]}}", "TND-C001", 1, 25, "'model.inputs.x[1]' should be a size", ""),
    "bad dimension name": ("model: {inputs: {x: [a b]}}", "TND-C001", 1, 22, "should be a size or the name", ""),
    "huge dimension": ("model: {inputs: {x: [99999999999999]}}", "TND-C001", 1, 22, "should be a size", ""),
    "empty range": ("dimensions:\n  n: {min: 3, max: 2}\n", "TND-C001", 2, 6, "max >= min", ""),
    "bad target": ("target: a/b", "TND-C001", 1, 9, "'target' is not a target: 'a/b'", ""),
    "pass without name": ("passes:\n  - a\n  - {max_ops: 3}\n", "TND-C001", 3, 5, "the key 'use' is missing", ""),
    "pass of a wrong kind": ("passes: [a, 3]", "TND-C001", 1, 13, "'passes[1]'", ""),
    "passes not a list": ("passes: a", "TND-C001", 1, 9, "'passes' should be a valid list", ""),
    "not a mapping": ("- 1\n- 2\n", "TND-C001", 1, 1, "a pipeline file is a mapping", "tondo: 1"),
    "unclosed": ("a: [1, 2\n", "TND-C005", 2, 1, "expected ',' or ']'", ""),
    "bad indentation": ("a:\n  b: 1\n c: 2\n", "TND-C005", 3, 2, "expected", ""),
    "tab": ("a:\n\tb: 1\n", "TND-C005", 2, 1, "", ""),
    "duplicate key": ("a: 1\nb: 2\na: 3\n", "TND-C005", 3, 1, "the key 'a' appears twice", "line 1"),
    "python tag": ("a: 1\nb: !!python/object/apply:os.system [echo]\n", "TND-C005", 2, 4, "is not allowed", ""),
    "own tag": ("a: !thing 1\n", "TND-C005", 1, 4, "is not allowed", ""),
    "binary": ("a: !!binary aGk=\n", "TND-C005", 1, 4, "is not allowed", ""),
    "numeric key": ("1: a\n", "TND-C005", 1, 1, "the key 1 is not text", "quotes"),
    "sequence as key": ("? [a]\n: b\n", "TND-C005", 1, 3, "is not text", ""),
    "two documents": ("a: 1\n---\nb: 2\n", "TND-C005", 2, 1, "document", ""),
    "undefined alias": ("a: *b\n", "TND-C005", 1, 4, "undefined alias", ""),
    "long number": (f"a: {'9' * 5000}\n", "TND-C005", 1, 4, "is not a int", ""),
    "deep": ("[" * 5000, "TND-X002", 1, 33, "nested deeper", ""),
    "recursive alias": ("a: &a [*a]\n", "TND-X002", 0, 0, "more than", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_mistakes_are_shown_where_they_are(case):
    text, code, line, column, message, help_ = CASES[case]
    diagnostic = errors(text)[0]
    assert diagnostic.code == code
    assert message in diagnostic.message
    assert help_ in (diagnostic.help or "")
    assert diagnostic.span.file == "p.yaml"
    if line:
        assert (diagnostic.span.line, diagnostic.span.column) == (line, column)


def test_the_caret_stands_below_the_value():
    assert errors("target: {threads: zero}")[0].render().splitlines()[-2:] == [
        " 1 | target: {threads: zero}",
        "   |                   ^^^^",
    ]


def test_all_mistakes_are_reported_at_once():
    found = errors("modle: 1\ncache: 3\ntarget: {thread: 2}\n")
    assert sorted((item.code, item.span.line) for item in found) == [("TND-C001", 2), ("TND-C002", 1), ("TND-C002", 3)]


def test_aliases_that_multiply_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    diagnostic = errors("\n".join(lines))[0]
    assert diagnostic.code == "TND-X002"
    assert str(MAX_NODES) in diagnostic.message


def test_a_few_aliases_are_fine():
    config = parse_config("model:\n  inputs: {a: &shape [n, 3], b: *shape}\n").config
    assert config.model.inputs == {"a": ["n", 3], "b": ["n", 3]}


def test_long_files_are_refused():
    assert errors("#" * (MAX_CHARACTERS + 1))[0].code == "TND-X002"


def test_files_are_read_relative_to_their_folder(tmp_path):
    (tmp_path / "p.yaml").write_text("model: {path: m.onnx}\n")
    file = load_config(tmp_path / "p.yaml")
    assert file.folder == tmp_path
    assert file.config.model.path == "m.onnx"


def test_unreadable_files(tmp_path):
    with pytest.raises(TondoError) as caught:
        load_config(tmp_path / "absent.yaml")
    assert caught.value.code == "TND-U006"
    (tmp_path / "latin.yaml").write_bytes(b"model: {name: \xe9}\n")
    with pytest.raises(TondoError) as caught:
        load_config(tmp_path / "latin.yaml")
    assert caught.value.code == "TND-C005"


def test_a_mapping_is_checked_like_a_file():
    assert config_of({"passes": ["a", {"use": "b", "x": 1}]}).config.passes[1].use == "b"
    with pytest.raises(TondoError) as caught:
        config_of({"passes": [], "target": {"thread": 1}})
    assert caught.value.code == "TND-C002"
    assert config_of(None).config == Config()


def test_plain_values_are_read_by_yaml_1_2():
    tree = parse_yaml(
        "{a: yes, b: 0o17, c: 0x1f, d: .inf, e: ~, f: 2001-01-01, g: 1e3, h: true, i: '1', j: -5, k: 017}", "f"
    )
    assert tree.value == {
        "a": "yes", "b": 15, "c": 31, "d": float("inf"), "e": None, "f": "2001-01-01", "g": 1000.0, "h": True, "i": "1",
        "j": -5, "k": 17,
    }  # fmt: skip


def test_what_is_written_reads_back():
    value = {"b": [1, "two", None, True, 0.5, {"x": []}], "a": {"yes": "no", "on": "1"}}
    text = write_yaml(value)
    assert parse_yaml(text, "f").value == value
    assert list(parse_yaml(text, "f").value) == ["b", "a"]


def test_the_schema_knows_every_key_and_short_form():
    schema = json_schema()
    assert set(schema["properties"]) == set(Config.model_fields)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["passes"]["anyOf"][0]["items"]["anyOf"][0] == {"type": "string"}
    for name, entry in schema["properties"].items():
        target = schema["$defs"][entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry
        assert target.get("description"), name
