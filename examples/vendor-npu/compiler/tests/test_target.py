"""Targets with the accelerator: the facts of the host, and the chip."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from programs import npu

from tondo.diagnostics import TondoError
from tondo.plugin import collect
from tondo.target import parse_target
from tondo_npu.machine import ACCUMULATOR_ATTR, SCRATCHPAD_ATTR, Chip
from tondo_npu.provider import NpuTargets, host_of


def test_the_host_is_what_the_installed_packages_make_of_this_machine() -> None:
    providers = list(collect(strict=False).targets.values())
    host, target = parse_target("native", providers), parse_target("npu", providers)
    assert target.kind == "npu"
    assert target.features == host.features | {"npu"}
    assert (target.triple, target.vector_bits, target.caches) == (host.triple, host.vector_bits, host.caches)
    assert host_of(target) == host


def test_plugins_that_are_left_out_say_nothing_about_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TONDO_PLUGINS", "-x86")
    assert NpuTargets().names() == ("generic",)
    assert NpuTargets().detect().cpu == "generic"


def test_attributes_tell_the_sizes_of_the_memories() -> None:
    assert Chip.of(npu()) == Chip(1 << 18, 1 << 16)
    assert Chip.of(npu(**{SCRATCHPAD_ATTR: 8192})).scratchpad == 2048


@pytest.mark.parametrize("attrs", [{SCRATCHPAD_ATTR: 64}, {ACCUMULATOR_ATTR: 1 << 30}, {SCRATCHPAD_ATTR: "big"}])
def test_sizes_that_no_chip_has_are_refused(attrs: dict) -> None:
    with pytest.raises(TondoError) as info:
        Chip.of(npu(**attrs))
    assert info.value.code == "TND-U005"


def test_unknown_hosts_are_refused() -> None:
    assert "generic" in NpuTargets().names()
    with pytest.raises(TondoError) as info:
        NpuTargets().make("z80")
    assert info.value.code == "TND-U007"
