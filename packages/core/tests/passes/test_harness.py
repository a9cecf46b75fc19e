from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from tondo.diagnostics import TondoError, fail
from tondo.ir import Attrs, IRModule
from tondo.passes import CollectingReporter, Dump, PassContext, Progress, RoundTrip, TimePasses, Timing, run_pipeline
from tondo.target import BASELINE_PROVIDERS, parse_target

CONTEXT = PassContext(parse_target("interp", BASELINE_PROVIDERS))
NOTHING = frozenset()


@dataclass(frozen=True, slots=True)
class Mark:
    """Sets the attribute ``mark``."""

    name: ClassVar[str] = "test.mark"
    requires: ClassVar[frozenset[str]] = frozenset({"graph"})
    ensures: ClassVar[frozenset[str]] = frozenset({"marked"})
    value: int = 1

    def run(self, module, context):
        return module.with_attrs(module.attrs.with_(mark=self.value))


def make(name="test.made", requires=NOTHING, ensures=NOTHING, run=lambda module: module, ends=NOTHING):
    action = run

    @dataclass(frozen=True, slots=True)
    class Made:
        body: object = field(default=action)

        def run(self, module, context):
            return self.body(module)

    for key, value in {"name": name, "requires": requires, "ensures": ensures, "ends": ends}.items():
        setattr(Made, key, value)
    return Made()


def failure(passes, **options):
    with pytest.raises(TondoError) as caught:
        run_pipeline(IRModule(), passes, CONTEXT, **options)
    return caught.value.diagnostics[0]


def marked(module):
    if "mark" not in module.attrs:
        fail("TND-B001", "the module has no mark")


def test_passes_run_in_order_and_leave_the_input():
    module = IRModule(attrs=Attrs(name="m"))
    result = run_pipeline(module, [Mark(1), Mark(2)], CONTEXT)
    assert dict(result.attrs) == {"name": "m", "mark": 2}
    assert dict(module.attrs) == {"name": "m"}


def test_an_unmet_requirement_names_pass_and_property():
    diagnostic = failure([make(requires=frozenset({"fused"}))])
    assert diagnostic.code == "TND-B002"
    assert "'test.made' requires 'fused'" in diagnostic.message
    assert diagnostic.notes == ("what holds: graph",)


def test_a_property_holds_once_ensured_until_a_pass_ends_it():
    needs = make("test.needs", requires=frozenset({"marked"}))
    run_pipeline(IRModule(), [Mark(), make(), needs], CONTEXT)
    assert "'test.needs' requires 'marked'" in failure([Mark(), make(ends=frozenset({"marked"})), needs]).message


def test_a_required_property_may_be_verified_instead():
    needs = make("test.needs", requires=frozenset({"marked"}))
    run_pipeline(IRModule(attrs=Attrs(mark=1)), [needs], CONTEXT, verifiers={"marked": marked}, properties=())
    diagnostic = failure([needs], verifiers={"marked": marked})
    assert diagnostic.code == "TND-B001"
    assert diagnostic.notes == ("the pass 'test.needs' requires 'marked'",)


def test_what_a_pass_ensures_is_verified():
    liar = make("test.liar", ensures=frozenset({"marked"}))
    diagnostic = failure([liar], verifiers={"marked": marked})
    assert diagnostic.code == "TND-B002"
    assert diagnostic.message == "the pass 'test.liar' ensures 'marked': the module has no mark"
    run_pipeline(IRModule(), [liar], CONTEXT, verifiers={"marked": marked}, verify="never")


def test_what_holds_is_verified_after_each_pass_on_demand():
    eraser = make("test.eraser", run=lambda module: module.with_attrs(Attrs()))
    run_pipeline(IRModule(), [Mark(), eraser], CONTEXT, verifiers={"marked": marked})
    diagnostic = failure([Mark(), eraser], verifiers={"marked": marked}, verify="each-pass")
    assert diagnostic.message == "the pass 'test.eraser' must keep 'marked': the module has no mark"


@pytest.mark.parametrize("value", [None, {}, "module"])
def test_a_pass_returns_a_module(value):
    diagnostic = failure([make(run=lambda module: value)])
    assert diagnostic.code == "TND-B002"
    assert type(value).__name__ in diagnostic.message


def test_a_pass_leaves_its_input_alone():
    def intrude(module):
        module.constants["extra"] = object()
        return module

    diagnostic = failure([make(run=intrude)])
    assert diagnostic.code == "TND-B002"
    assert "changed its input" in diagnostic.message


def test_an_exception_inside_a_pass_is_an_internal_error_that_names_it():
    with pytest.raises(TondoError) as caught:
        run_pipeline(IRModule(), [make("test.breaks", run=lambda module: {}["absent"])], CONTEXT)
    assert caught.value.code == "TND-Z001"
    assert "'test.breaks' failed" in str(caught.value)
    assert "KeyError: 'absent'" in str(caught.value)
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_users_mistake_goes_through_and_names_the_pass():
    diagnostic = failure([make("test.refuses", run=lambda module: fail("TND-M004", "no such thing", notes=["why"]))])
    assert diagnostic.code == "TND-M004"
    assert diagnostic.notes == ("why", "in the pass 'test.refuses'")


def test_timing_is_a_tree_and_a_table():
    timing = Timing("compile")
    with timing.measure("passes"):
        run_pipeline(IRModule(), [Mark(), make()], CONTEXT, [TimePasses(timing)])
    assert [(depth, span.name) for depth, span in timing.root.walk()] == [
        (0, "compile"),
        (1, "passes"),
        (2, "test.mark"),
        (2, "test.made"),
    ]
    (passes,) = timing.root.parts
    assert timing.root.seconds == passes.seconds >= sum(span.seconds for span in passes.parts) > 0
    lines = timing.table().splitlines()
    assert lines[0].endswith(" 100.0 %  compile")
    assert lines[3].endswith(" %      test.made")


def test_timing_survives_a_failing_pass():
    timing = Timing()
    with pytest.raises(TondoError), timing.measure("passes"):
        run_pipeline(IRModule(), [make(run=lambda module: None)], CONTEXT, [TimePasses(timing)])
    with timing.measure("next"):
        pass
    assert [span.name for span in timing.root.parts] == ["passes", "next"]


def test_dump_writes_the_input_and_every_result(tmp_path):
    dump = Dump.to_folder(tmp_path / "dumps", lambda module: repr(dict(module.attrs)))
    run_pipeline(IRModule(), [Mark(3), make("../evil")], CONTEXT, [dump])
    texts = {path.name: path.read_text() for path in (tmp_path / "dumps").iterdir()}
    assert texts == {"00-input.py": "{}", "01-test.mark.py": "{'mark': 3}", "02-.._evil.py": "{'mark': 3}"}


def test_round_trip_names_the_pass_after_which_it_fails():
    trip = RoundTrip(printer=lambda module: "", parser=lambda text, constants: IRModule())
    with pytest.raises(TondoError, match=r"the pass 'test\.mark' does not survive") as caught:
        run_pipeline(IRModule(), [make(), Mark()], CONTEXT, [trip])
    assert caught.value.code == "TND-B001"


def test_progress_counts_passes():
    reporter = CollectingReporter()
    run_pipeline(IRModule(), [Mark(), make()], CONTEXT, [Progress(reporter)])
    assert reporter.steps == [
        ("passes: test.mark", 0, 2),
        ("passes: test.mark", 1, 2),
        ("passes: test.made", 1, 2),
        ("passes: test.made", 2, 2),
    ]
