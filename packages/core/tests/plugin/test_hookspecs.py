from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys

import pytest

from tondo.plugin import REGISTRATION_HOOKS, Extensions, Hooks, PassSpec, Pipeline, collect
from tondo.plugin.extensions import FIELDS

HOOKS = [name for name, value in vars(Hooks).items() if hasattr(value, "tondo_spec")]


def test_every_hook_is_listed_and_has_a_field():
    assert sorted(HOOKS) == sorted([*REGISTRATION_HOOKS, "tondo_add_hookspecs"])
    assert set(FIELDS) == set(REGISTRATION_HOOKS)
    assert set(FIELDS.values()) <= {entry.name for entry in dataclasses.fields(Extensions)}


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_an_example(hook):
    text = inspect.getdoc(getattr(Hooks, hook))
    assert "Example:" in text
    assert len(text.splitlines()) >= 4


@pytest.mark.parametrize("hook", HOOKS)
def test_specifications_have_no_defaults(hook):
    parameters = list(inspect.signature(getattr(Hooks, hook)).parameters.values())[1:]
    assert all(parameter.default is inspect.Parameter.empty for parameter in parameters)


def test_the_hooks_of_the_core_are_collected_by_name(site):
    """Every remaining registration hook, with a minimal component."""
    site.install(
        "good",
        {
            "good": """
            from types import SimpleNamespace
            from tondo.plugin import PassSpec, Pipeline
            def none(*args, **keywords): return None
            @hookimpl
            def register_frontends():
                return [SimpleNamespace(name="f", suffixes=(".f",), claims=none, load=none)]
            @hookimpl
            def register_codegens():
                return [SimpleNamespace(name="c", supports=none, digest=none, compile=none)]
            @hookimpl
            def register_libraries():
                return [SimpleNamespace(name="l", supports=none, match=none)]
            @hookimpl
            def register_schedule_rules():
                return [SimpleNamespace(name="r.one", priority=3, apply=none)]
            @hookimpl
            def register_targets():
                return (SimpleNamespace(name="t", kind="npu", priority=1, names=none, detect=none, make=none),)
            @hookimpl
            def register_pipelines():
                return [Pipeline("npu", (PassSpec.of("a.b", depth=3),))]
            @hookimpl
            def register_ops():
                from tondo.ir import Operator
                return [Operator("vendor.op", none, none)]
            @hookimpl
            def register_intrinsics():
                return None
            """
        },
    )
    extensions = collect()
    assert extensions.plugins[1].diagnostics == ()
    assert list(extensions.frontends) == ["f"]
    assert list(extensions.codegens) == ["c"]
    assert list(extensions.libraries) == ["l"]
    assert list(extensions.schedule_rules) == ["r.one"]
    assert list(extensions.targets) == ["baseline", "interp", "t"]
    assert list(extensions.operators) == ["vendor.op"]
    assert dict(extensions.intrinsics) == {}
    assert extensions.pipelines["npu"] == Pipeline("npu", (PassSpec("a.b", (("depth", 3),)),))


def test_nothing_is_discovered_at_import():
    script = (
        "import importlib.metadata as m\n"
        "def refuse(*a, **k): raise AssertionError('looked for distributions')\n"
        "m.distributions = m.entry_points = refuse\n"
        "import tondo.plugin\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
