from __future__ import annotations

import pytest

from tondo.plugin import collect


def refused(site, source):
    site.install("bad", {"bad": source})
    site.install("good", {"good": "@hookimpl\ndef register_commands():\n    return []\n"})
    extensions = collect()
    report = {report.id: report for report in extensions.plugins}["bad"]
    assert report.status == "failed"
    assert {report.id: report.status for report in extensions.plugins}["good"] == "loaded"
    assert report.provides == ()
    return report.diagnostics[0]


SOURCES = {
    "default": ("def register_passes(extra=None):\n    return []", "TND-P004", "'extra' a default"),
    "keyword": ("def register_passes(*, extra):\n    return []", "TND-P004", "keyword-only parameter 'extra'"),
    "variadic": ("def register_passes(*extra):\n    return []", "TND-P004", "parameter 'extra'"),
    "unknown-parameter": ("def register_passes(extra):\n    return []", "TND-P004", "refused"),
    "misspelt": ("def register_pases():\n    return []", "TND-P004", "does not exist"),
    "raises": ("def register_passes():\n    raise KeyError('lost')", "TND-P001", "register_passes failed"),
    "text": ("def register_passes():\n    return 'fuse'", "TND-P004", "returned a str, not a list"),
    "number": ("def register_passes():\n    return 3", "TND-P004", "returned a int, not a list"),
    "nameless": ("def register_passes():\n    return [object()]", "TND-P004", "without a name"),
}


@pytest.mark.parametrize("case", SOURCES)
def test_bad_implementations_are_refused(site, case):
    source, code, text = SOURCES[case]
    diagnostic = refused(site, f"@hookimpl\n{source}\n")
    assert diagnostic.code == code
    assert text in diagnostic.message


def test_wrappers_are_refused(site):
    source = "@hookimpl(wrapper=True)\ndef register_passes():\n    return (yield)\n"
    assert "wrapper" in refused(site, source).message


def test_a_failing_hook_takes_back_all_components_of_the_plugin(site):
    site.install(
        "bad",
        {
            "bad": """
            from tondo.plugin import Command
            @hookimpl
            def register_commands():
                return [Command("one", "nowhere:app")]
            @hookimpl
            def register_frontends():
                return [None]
            """
        },
    )
    extensions = collect()
    assert dict(extensions.commands) == {}
    assert "bad" not in extensions.versions()


COMPONENTS = {
    "twice": (
        "register_commands",
        "from tondo.plugin import Command",
        "Command('one', 'a:b'), Command('one', 'c:d')",
        "two components named 'one'",
    ),
    "escape": ("register_commands", "from tondo.plugin import Command", "Command('\\x1b[2J', 'a:b')", "unusable name"),
    "path": ("register_commands", "from tondo.plugin import Command", "Command('../x', 'a:b')", "unusable name"),
    "kind": ("register_frontends", "from tondo.plugin import Command", "Command('one', 'a:b')", "not a Frontend"),
    "class": ("register_frontends", "class F: name = 'f'", "F", "not a Frontend"),
    "lacking": ("register_frontends", "class F: name, suffixes, claims = 'f', (), None", "F()", "lacks 'load'"),
    "pass-object": ("register_passes", "class P: name = 'a.b'", "P()", "as an object"),
    "pass-open": ("register_passes", "class P: name = 'a.b'", "P", "without a frozenset 'requires'"),
}


@pytest.mark.parametrize("case", COMPONENTS)
def test_bad_components_are_refused(site, case):
    hook, setup, value, text = COMPONENTS[case]
    diagnostic = refused(site, f"{setup}\n@hookimpl\ndef {hook}():\n    return [{value}]\n")
    assert diagnostic.code == "TND-P004"
    assert text in diagnostic.message
    assert diagnostic.message.isprintable()


PASS = """
from dataclasses import dataclass
from typing import ClassVar
@dataclass({frozen})
class P:
    name: ClassVar[str] = "a.b"
    requires: ClassVar[frozenset[str]] = frozenset()
    ensures: ClassVar[frozenset[str]] = frozenset()
    {option}
    def run(self, module, context):
        return module
@hookimpl
def register_passes():
    return [P]
"""


def test_a_pass_must_be_frozen(site):
    assert "not a frozen dataclass" in refused(site, PASS.format(frozen="frozen=False", option="a: int = 1")).message


def test_every_option_of_a_pass_has_a_default(site):
    assert "'a' has no default" in refused(site, PASS.format(frozen="frozen=True", option="a: int")).message


def test_a_pass_is_found_by_its_name(site):
    site.install("good", {"good": PASS.format(frozen="frozen=True", option="a: int = 1")})
    assert collect().passes["a.b"].__name__ == "P"


TUNER = """
from tondo.plugin import hookspec
class Specs:
    @hookspec
    def register_runners(self):
        "Return runners."
@hookimpl
def tondo_add_hookspecs(registry):
    registry.add_hookspecs(Specs)
"""
RUNNER = """
from types import SimpleNamespace
@hookimpl
def register_runners():
    return [SimpleNamespace(name="local")]
"""


def test_a_package_may_declare_hooks_that_others_implement(site):
    site.install("tuner", {"tuner": TUNER})
    # sorted before the plugin that declares the hook
    site.install("runner", {"a-runner": RUNNER})
    extensions = collect()
    assert list(extensions.others) == ["register_runners"]
    assert list(extensions.others["register_runners"]) == ["local"]


def test_the_declared_hook_is_unknown_without_its_package(site):
    site.install("runner", {"a-runner": RUNNER})
    assert collect().plugins[1].status == "failed"


def test_an_optional_implementation_waits_for_its_hook(site):
    site.install("runner", {"a-runner": RUNNER.replace("@hookimpl", "@hookimpl(optionalhook=True)")})
    assert collect().plugins[1].status == "loaded"


def test_a_failing_declaration_of_hooks_is_one_plugins_failure(site):
    diagnostic = refused(site, "@hookimpl\ndef tondo_add_hookspecs(registry):\n    registry.add_hookspecs(object())\n")
    assert "tondo_add_hookspecs failed" in diagnostic.message
