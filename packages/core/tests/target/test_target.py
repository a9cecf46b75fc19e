from __future__ import annotations

from dataclasses import replace

import pytest

from tondo.diagnostics import TondoError
from tondo.target import BASELINE_PROVIDERS, BaselineCpu, Caches, Target, parse_target
from tondo.target.host import DEFAULT_CACHES, host_caches, host_triple

TARGET = Target("cpu", "generic", "x86_64-unknown-linux-gnu", frozenset({"b", "a"}), 256, 16, Caches(1, 2, 3), 2)


class Fancy:
    """A provider that knows the host better than the baseline."""

    name, kind, priority = "fancy", "cpu", 10

    def __init__(self, found=True):
        self.found = found
        self.asked = []

    def names(self):
        return ("fancy-1", "fancy-2")

    def detect(self):
        return replace(TARGET, cpu="fancy-2") if self.found else None

    def make(self, cpu, features=()):
        self.asked.append((cpu, tuple(features)))
        return replace(TARGET, cpu=cpu, attrs=(("tile", 4),))


@pytest.mark.parametrize(
    ("dtype", "lanes"), [("float32", 8), ("float64", 4), ("bfloat16", 16), ("int8", 32), ("int4", 64), ("bool", 32)]
)
def test_lanes_fill_a_register(dtype, lanes):
    assert TARGET.lanes(dtype) == lanes


def test_a_machine_without_vectors_has_one_lane():
    assert replace(TARGET, vector_bits=0).lanes("float64") == 1


def test_fingerprints_differ_exactly_when_facts_do():
    assert TARGET.fingerprint() == replace(TARGET, features=frozenset({"a", "b"})).fingerprint()
    others = [
        replace(TARGET, features=frozenset({"a"})),
        replace(TARGET, vector_bits=512),
        replace(TARGET, vector_registers=32),
        replace(TARGET, caches=Caches(1, 2, 4)),
        replace(TARGET, threads=3),
        replace(TARGET, cpu="other"),
        replace(TARGET, triple="x86_64-apple-darwin"),
        replace(TARGET, attrs=(("tile", 1),)),
    ]
    assert len({target.fingerprint() for target in [TARGET, *others]}) == len(others) + 1


def test_fingerprints_are_safe_in_file_names():
    text = replace(TARGET, cpu="../../x y").fingerprint()
    assert "/" not in text
    assert " " not in text


def test_targets_are_values():
    assert hash(TARGET) == hash(replace(TARGET))
    assert TARGET.arch == "x86_64"
    assert TARGET.has("a", "b")
    assert not TARGET.has("a", "c")
    assert replace(TARGET, attrs=(("tile", 4),)).attr("tile") == 4
    assert TARGET.attr("tile", 1) == 1


@pytest.mark.parametrize("spec", ["native", "cpu", "cpu=native", {"kind": "cpu"}, {}])
def test_the_host_is_the_default(spec):
    assert parse_target(spec, BASELINE_PROVIDERS) == BaselineCpu().detect()


def test_the_baseline_is_the_architecture_only():
    target = parse_target("cpu=generic", BASELINE_PROVIDERS)
    assert target.triple == host_triple()
    assert target.cpu == "generic"
    assert target.threads >= 1
    assert "avx" not in target.features
    x86, arm, riscv = (BaselineCpu(arch).make("generic") for arch in ("x86_64", "aarch64", "riscv64"))
    assert (x86.vector_bits, x86.vector_registers, x86.has("sse2")) == (128, 16, True)
    assert (arm.vector_bits, arm.vector_registers, arm.has("neon")) == (128, 32, True)
    assert (riscv.vector_bits, riscv.lanes("float32")) == (0, 1)


def test_the_interpreter_is_a_target():
    target = parse_target("interp", BASELINE_PROVIDERS)
    assert (target.kind, target.features, target.threads) == ("interp", frozenset(), 1)
    with pytest.raises(TondoError, match="neither CPUs nor features"):
        parse_target({"kind": "interp", "features": ["avx"]}, BASELINE_PROVIDERS)


def test_the_provider_of_higher_priority_is_asked_first():
    assert parse_target("native", [*BASELINE_PROVIDERS, Fancy()]).cpu == "fancy-2"
    assert parse_target("native", [*BASELINE_PROVIDERS, Fancy(found=False)]).cpu == "generic"
    assert parse_target("cpu=generic", [Fancy(), *BASELINE_PROVIDERS]).cpu == "generic"


def test_all_that_a_mapping_says_counts():
    fancy = Fancy()
    spec = {"cpu": "fancy-1", "threads": 3, "features": ["+x", "-y"], "attrs": {"depth": 2, "tile": 8}}
    target = parse_target(spec, [fancy])
    assert fancy.asked == [("fancy-1", ("+x", "-y"))]
    assert target.threads == 3
    assert target.attrs == (("depth", 2), ("tile", 8))


def test_the_short_form_says_the_same():
    fancy = Fancy()
    assert parse_target("cpu=fancy-1,threads=3,features=+x:-y", [fancy]).threads == 3
    assert fancy.asked == [("fancy-1", ("+x", "-y"))]


def test_a_target_is_taken_as_it_is():
    assert parse_target(TARGET, []) is TARGET


@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        ("cpu=gneric", "TND-U007", "did you mean 'generic'"),
        ("intrep", "TND-U007", "did you mean 'interp'"),
        ("gpu", "TND-U007", "known kinds: cpu, interp"),
        ("", "TND-U007", "not a target"),
        ("cpu=", "TND-U007", "not a target"),
        ("native=haswell", "TND-U007", "not a target"),
        ("cpu=../../etc", "TND-U007", "not a target"),
        ("cpu,threads=two", "TND-U007", "not a target option"),
        ("cpu,features=-bad name", "TND-U007", "unknown CPU feature"),
        ({"cpus": "x"}, "TND-U007", "did you mean 'cpu'"),
        ({"cpu": 3}, "TND-U005", "are names"),
        ({"threads": 0}, "TND-U005", "from 1 to"),
        ({"threads": "2"}, "TND-U005", "from 1 to"),
        ({"threads": True}, "TND-U005", "from 1 to"),
        ({"features": "avx"}, "TND-U005", "a list of names"),
        ({"attrs": {"a": []}}, "TND-U005", "not a plain value"),
        ({"attrs": 3}, "TND-U005", "a mapping"),
    ],
)
def test_what_is_no_target_is_refused(spec, code, text):
    with pytest.raises(TondoError) as caught:
        parse_target(spec, BASELINE_PROVIDERS)
    assert caught.value.code == code
    assert text in str(caught.value)


def cache(root, index, level, kind, size):
    folder = root / f"index{index}"
    folder.mkdir(parents=True)
    (folder / "level").write_text(f"{level}\n")
    (folder / "type").write_text(f"{kind}\n")
    (folder / "size").write_text(f"{size}\n")


def test_cache_sizes_are_those_of_the_data_caches(tmp_path):
    cache(tmp_path, 0, 1, "Data", "48K")
    cache(tmp_path, 1, 1, "Instruction", "32K")
    cache(tmp_path, 2, 2, "Unified", "2M")
    assert host_caches(tmp_path) == Caches(48 << 10, 2 << 20, 0)
    cache(tmp_path, 3, 3, "Unified", "1G")
    cache(tmp_path, 4, 4, "Unified", "none")
    assert host_caches(tmp_path) == Caches(48 << 10, 2 << 20, 1 << 30)


def test_cache_sizes_are_assumed_where_nothing_is_known(tmp_path):
    assert host_caches(tmp_path / "absent") == DEFAULT_CACHES
