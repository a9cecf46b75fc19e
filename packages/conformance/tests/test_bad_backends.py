"""Back ends that break are found, each with the outcome that it deserves; the run goes on."""

from __future__ import annotations

import sys

import pytest

pytestmark = [pytest.mark.llvm, pytest.mark.slow]

ADD = "L2/add/float32/plain"
MUL = "L2/mul/float32/plain"
LIGHT = ("--tondo-level", "L2", "--tondo-select", f"{ADD},{MUL}")


def test_a_back_end_that_works_passes(kit):
    ran = kit(*LIGHT)
    assert ran.status == 0, ran.out
    assert ran.outcomes() == {ADD: "pass", MUL: "pass"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_crash_in_the_code_generator_has_the_name_of_its_signal(kit):
    ran = kit(*LIGHT, codegen="crash")
    assert ran.status == 1
    assert ran.outcomes() == {ADD: "crash", MUL: "crash"}
    assert ran.case(ADD)["reason"].startswith("SIGSEGV")
    assert "bad_backend.py" in ran.case(ADD)["reason"], "the last lines of the error stream say where"


def test_a_process_that_ends_is_a_crash(kit):
    ran = kit(*LIGHT, codegen="exit")
    assert ran.outcomes() == {ADD: "crash", MUL: "crash"}
    assert "exit status 3" in ran.case(ADD)["reason"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_crash_in_a_call(kit):
    ran = kit(*LIGHT, fault="crash")
    assert ran.outcomes() == {ADD: "crash", MUL: "crash"}


def test_a_hang_is_ended_and_tells_where(kit):
    ran = kit("--tondo-level", "L2", "--tondo-select", ADD, "--tondo-timeout", "4", codegen="hang")
    assert ran.status == 1
    assert ran.outcomes() == {ADD: "hang"}
    assert "no answer after 4 s" in ran.case(ADD)["reason"]
    if sys.platform != "win32":
        assert "bad_backend.py" in ran.case(ADD)["reason"]


def test_wrong_results_of_one_element_type(kit):
    names = [f"L2/add/{kind}/plain" for kind in ("float32", "float64", "int32")]
    ran = kit("--tondo-level", "L2", "--tondo-select", ",".join(names), fault="wrong")
    assert list(ran.outcomes().values()) == ["pass", "fail", "pass"]
    reason = ran.case(names[1])["reason"]
    assert "differs at [0, 0, 0]" in reason
    assert "instead of" in reason


def test_a_bare_exception_is_an_error(kit):
    ran = kit("--tondo-level", "L2", "--tondo-select", ADD, codegen="bare")
    assert ran.outcomes() == {ADD: "error"}
    assert "TND-Z001" in ran.case(ADD)["reason"]
    assert "a bare exception" in ran.case(ADD)["reason"]


def test_code_that_differs_from_time_to_time(kit):
    name = "L1/code/same-in-one-process"
    ran = kit("--tondo-level", "L1", "--tondo-select", name, fault="random")
    assert ran.outcomes() == {name: "fail"}


@pytest.mark.skipif(sys.platform != "linux", reason="memory of a process")
def test_a_leak_is_found(kit):
    name = "L4/memory/calls"
    ran = kit("--tondo-level", "L4", "--tondo-select", name, fault="leak")
    assert ran.outcomes() == {name: "fail"}
    assert "memory grows" in ran.case(name)["reason"]


def test_a_refusal_fails_unless_it_is_declared(kit, tmp_path):
    half, whole = "L2/add/float16/plain", "L1/map/float16/form"
    words = ("--tondo-level", "L2", "--tondo-select", f"{half},{whole},{ADD}")
    ran = kit(*words, codegen="refuse")
    assert ran.status == 1
    assert ran.outcomes() == {whole: "refused", half: "refused", ADD: "pass"}
    assert ran.case(whole)["verdict"] == "passed", "at L1 a coded refusal is an answer"
    assert ran.case(half)["verdict"] == "failed"
    assert ran.case(half)["code"] == "TND-B004"
    declared = tmp_path / "declared.toml"
    declared.write_text(
        '[[unsupported]]\ncases = "L2/*/float16/*"\nreason = "no half"\n'
        '[[unsupported]]\ncases = "L3/*"\nreason = "nothing"\n'
    )
    ran = kit(*words, "--tondo-declared", str(declared), codegen="refuse")
    assert ran.status == 0, ran.out
    assert ran.case(half)["declared"] == "no half"
    assert ran.case(half)["verdict"] == "skipped"
    assert [entry["refused"] for entry in ran.report["declared"]] == [1, 0]
    assert "nothing was refused: L3/*" in ran.out


def test_a_plugin_without_metadata_fails_at_the_first_level(kit):
    ran = kit(
        "--tondo-level", "L0", "--tondo-plugin", "bad", "--tondo-select", "L0/plugin/metadata,L0/plugin/handshake"
    )
    assert ran.outcomes() == {"L0/plugin/handshake": "pass", "L0/plugin/metadata": "fail"}
    assert "no Summary" in ran.case("L0/plugin/metadata")["reason"]


def test_a_plugin_that_ends_the_process_on_import_is_a_result(kit, site, tmp_path):
    other = tmp_path / "deadly"
    info = other / "tondo_deadly-1.0.dist-info"
    info.mkdir(parents=True)
    (other / "deadly.py").write_text("import os\nos._exit(7)\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tondo-deadly\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tondo.plugins]\ndeadly = deadly\n")
    ran = kit("--tondo-level", "L0", PYTHONPATH=str(other))
    assert ran.status == 1
    assert ran.outcomes() == {"L0/start/worker": "crash"}
    assert "exit status 7" in ran.case("L0/start/worker")["reason"]
