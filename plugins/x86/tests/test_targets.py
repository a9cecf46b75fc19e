from __future__ import annotations

import itertools

import pytest

from tondo.diagnostics import TondoError
from tondo.target import BASELINE_PROVIDERS, parse_target
from tondo_x86 import X86Cpus
from tondo_x86 import provider as provider_module
from tondo_x86.cpus import CPUS, LEVELS, level_of
from tondo_x86.features import KNOWN, NEEDS, consistent, with_needs

PROVIDERS = (*BASELINE_PROVIDERS, X86Cpus())

# flags of a small virtual machine with AVX-512, as the kernel spells them
FLAGS = (
    "fpu cx8 cmov mmx fxsr sse sse2 pni ssse3 sse4_1 sse4_2 popcnt cx16 lahf_lm avx f16c fma avx2 bmi1 bmi2 abm movbe "
    "xsave avx512f avx512dq avx512cd avx512bw avx512vl avx512_bf16 avx512_vnni amx_tile amx_bf16"
)


def host(monkeypatch, flags, arch="x86_64"):
    from tondo_runtime.host import parse_cpuinfo

    monkeypatch.setattr(provider_module, "host_features", lambda: parse_cpuinfo(f"flags : {flags}"))
    monkeypatch.setattr(provider_module, "host_architecture", lambda: arch)


@pytest.mark.parametrize(
    ("cpu", "bits", "registers", "has", "lacks"),
    [
        ("x86-64", 128, 16, "sse2", "sse3"),
        ("x86-64-v2", 128, 16, "sse4.2", "avx"),
        ("x86-64-v3", 256, 16, "fma", "avx512f"),
        ("x86-64-v4", 512, 32, "avx512vl", "avx512vnni"),
        ("haswell", 256, 16, "avx2", "avx512f"),
        ("skylake-avx512", 512, 32, "avx512dq", "avx512vnni"),
        ("sapphirerapids", 512, 32, "amx-bf16", "amx-fp16"),
        ("znver3", 256, 16, "vaes", "avx512f"),
        ("znver4", 512, 32, "avx512bf16", "amx-tile"),
    ],
)
def test_named_cpus(cpu, bits, registers, has, lacks):
    target = parse_target(f"cpu={cpu}", PROVIDERS)
    assert (target.cpu, target.vector_bits, target.vector_registers) == (cpu, bits, registers)
    assert target.has(has)
    assert not target.has(lacks)
    assert target.lanes("float32") == bits // 32
    assert target.arch == "x86_64"


def test_levels_grow():
    for (_, lower), (_, higher) in itertools.pairwise(LEVELS):
        assert lower < higher


@pytest.mark.parametrize("cpu", CPUS)
def test_tables_are_complete_and_known(cpu):
    assert CPUS[cpu] <= KNOWN
    assert with_needs(CPUS[cpu]) == CPUS[cpu] == consistent(CPUS[cpu])
    assert LEVELS[0][1] <= CPUS[cpu]


def test_every_needed_feature_is_known():
    assert {need for needs in NEEDS.values() for need in needs} <= KNOWN


def test_the_host_is_described_by_its_features(monkeypatch):
    host(monkeypatch, FLAGS)
    target = parse_target("native", PROVIDERS)
    assert target.cpu == "x86-64-v4"
    assert (target.vector_bits, target.vector_registers) == (512, 32)
    assert target.has("avx512bf16", "avx512vnni", "amx-tile", "amx-bf16", "sse4.2", "lzcnt")
    assert target.features <= KNOWN


def test_a_host_that_hides_avx512_is_no_avx512_machine(monkeypatch):
    host(monkeypatch, " ".join(flag for flag in FLAGS.split() if flag != "avx512f"))
    target = parse_target("native", PROVIDERS)
    assert target.cpu == "x86-64-v3"
    assert target.vector_bits == 256
    assert not any(feature.startswith("avx512") for feature in target.features)


@pytest.mark.parametrize(("flags", "arch"), [("", "x86_64"), (FLAGS, "aarch64")])
def test_without_knowledge_of_the_host_the_baseline_remains(monkeypatch, flags, arch):
    host(monkeypatch, flags, arch)
    assert X86Cpus().detect() is None
    assert parse_target("native", PROVIDERS).cpu == "generic"


def test_without_this_package_the_host_is_the_baseline():
    assert parse_target("native", BASELINE_PROVIDERS).cpu == "generic"


def test_features_bring_what_they_need_and_take_what_needs_them():
    more = parse_target({"cpu": "x86-64-v2", "features": ["+avx512vnni"]}, PROVIDERS)
    assert more.has("avx512vnni", "avx512f", "avx2", "fma")
    assert more.vector_bits == 512
    less = parse_target("cpu=znver4,features=-avx2", PROVIDERS)
    assert less.vector_bits == 128
    assert less.has("avx")
    assert not less.features & {"avx512f", "avx512bf16", "avx2", "vaes"}


def test_native_can_be_changed(monkeypatch):
    host(monkeypatch, FLAGS)
    target = parse_target({"cpu": "native", "features": ["-avx512f"], "threads": 3}, PROVIDERS)
    assert (target.cpu, target.vector_bits, target.threads) == ("x86-64-v3", 256, 3)


@pytest.mark.parametrize("spec", ["cpu=haswel", "cpu=haswell,features=+avx3", "cpu=pentium"])
def test_unknown_names_are_refused(spec):
    with pytest.raises(TondoError) as caught:
        parse_target(spec, PROVIDERS)
    assert caught.value.code == "TND-U007"


def test_a_close_name_is_suggested():
    with pytest.raises(TondoError, match="did you mean 'haswell'"):
        parse_target("cpu=haswel", PROVIDERS)


def test_level_of_nothing_is_the_lowest():
    assert level_of(frozenset()) == "x86-64"
