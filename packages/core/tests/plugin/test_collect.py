from __future__ import annotations

import pytest

from tondo.diagnostics import TondoError
from tondo.plugin import collect

COMMAND = """
from tondo.plugin import Command
@hookimpl
def register_commands():
    return [Command({name!r}, "nowhere:app")]
"""


def command(name):
    return COMMAND.format(name=name)


def reports(extensions):
    return {report.id: report for report in extensions.plugins}


def only_diagnostic(extensions, plugin):
    (diagnostic,) = reports(extensions)[plugin].diagnostics
    return diagnostic


def test_without_plugins_the_core_brings_its_baseline(site):
    extensions = collect()
    assert sorted(extensions.targets) == ["baseline", "interp"]
    assert [report.id for report in extensions.plugins] == ["core"]
    assert dict(extensions.codegens) == {}


def test_plugins_are_loaded_in_the_order_of_their_ids(site):
    site.install("zeta-dist", {"alpha": command("one")}, version="2.5")
    site.install("alpha-dist", {"zeta": command("two")}, version="0.3")
    extensions = collect()
    assert [report.id for report in extensions.plugins] == ["core", "alpha", "zeta"]
    assert extensions.versions() == {"core": "0.1.0", "alpha": "2.5", "zeta": "0.3"}
    assert sorted(extensions.commands) == ["one", "two"]
    assert reports(extensions)["alpha"].provides == (("register_commands", ("one",)),)
    assert reports(extensions)["alpha"].distribution == "zeta-dist"


def test_extensions_are_frozen(site):
    site.install("dist", {"one": command("one")})
    extensions = collect()
    with pytest.raises(TypeError):
        extensions.commands["two"] = extensions.commands["one"]
    with pytest.raises(AttributeError):
        extensions.commands = {}


def test_a_failing_import_is_one_plugins_failure(site):
    site.install("good", {"good": command("good")})
    site.install("bad", {"bad": "import a_module_that_is_not_there\n"})
    extensions = collect()
    assert sorted(extensions.commands) == ["good"]
    assert reports(extensions)["bad"].status == "failed"
    diagnostic = only_diagnostic(extensions, "bad")
    assert diagnostic.code == "TND-P001"
    assert "a_module_that_is_not_there" in diagnostic.notes[0]
    assert "bad_bad.py, line 4" in diagnostic.notes[1]


def test_a_plugin_that_leaves_the_program_at_import_does_not_end_it(site):
    site.install("bad", {"bad": "raise SystemExit(3)\n"})
    assert only_diagnostic(collect(), "bad").code == "TND-P001"


def test_a_module_without_info_is_incompatible(site):
    site.install("bad", {"bad": ""}, header="")
    extensions = collect()
    assert reports(extensions)["bad"].status == "incompatible"
    assert only_diagnostic(extensions, "bad").code == "TND-P003"


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ("api=2", "needs plugin interface 2, this is 1"),
        ("api=0", "written for plugin interface 0"),
        ("min_core='7.2'", "needs tondo-core 7.2 or newer"),
    ],
)
def test_plugins_of_other_times_are_incompatible(site, info, text):
    header = f"from tondo.plugin import PluginInfo, hookimpl\nTONDO_PLUGIN = PluginInfo('test', {info})\n"
    site.install("bad", {"bad": command("one")}, header=header)
    extensions = collect()
    assert reports(extensions)["bad"].status == "incompatible"
    assert text in only_diagnostic(extensions, "bad").message
    assert dict(extensions.commands) == {}


@pytest.mark.parametrize("value", ["0.1", "0.0.9", "0.1.0", "0", "0.1.dev3"])
def test_older_requirements_are_met(site, value):
    header = f"from tondo.plugin import PluginInfo, hookimpl\nTONDO_PLUGIN = PluginInfo('test', min_core='{value}')\n"
    site.install("good", {"good": command("one")}, header=header)
    assert reports(collect())["good"].status == "loaded"


def test_an_entry_point_must_name_a_module(site):
    site.install("bad", {}, entries={"bad": "bad_module:Plugin"})
    (site.root / "bad_module.py").write_text("class Plugin: pass\n")
    assert only_diagnostic(collect(), "bad").code == "TND-P004"


@pytest.mark.parametrize("name", ["\x1b[31mred", "../../etc/passwd", "Name", "a" * 65, "na me", "-x", "über"])
def test_unusable_ids_are_refused_and_shown_escaped(site, name):
    site.install("bad", {}, entries={name: "os"})
    (_, report) = collect().plugins
    assert report.status == "failed"
    assert report.id.isascii()
    assert report.id.isprintable()
    assert len(report.id) <= 67


def test_two_packages_with_one_id_are_both_refused(site):
    site.install("first", {"same": command("one")})
    site.install("second", {"same": command("two")})
    extensions = collect()
    assert dict(extensions.commands) == {}
    assert [report.status for report in extensions.plugins] == ["loaded", "failed", "failed"]
    assert extensions.plugins[1].diagnostics[0].code == "TND-P002"
    assert "first 1.0 and second 1.0" in extensions.plugins[1].diagnostics[0].message


def test_the_id_of_the_core_is_taken(site):
    site.install("bad", {"core": command("one")})
    extensions = collect()
    assert extensions.plugins[1].status == "failed"
    assert "tondo-core" in extensions.plugins[1].diagnostics[0].message


def test_of_a_distribution_on_the_path_twice_the_first_counts(site, tmp_path_factory, monkeypatch):
    import importlib.metadata as metadata

    site.install("dist", {"one": command("new")}, version="2.0")
    shadow = tmp_path_factory.mktemp("shadow")
    type(site)(shadow).install("dist", {"one": command("old")}, version="1.0")
    real = metadata.Distribution.discover
    monkeypatch.setattr(metadata, "distributions", lambda: real(path=[str(site.root), str(shadow)]))
    assert collect().versions()["one"] == "2.0"


def test_damaged_metadata_of_another_package_does_no_harm(site):
    (site.root / "broken-1.0.dist-info").mkdir()
    (site.root / "broken-1.0.dist-info" / "entry_points.txt").write_text("[tondo.plugins\nnot an ini file")
    site.install("good", {"good": command("one")})
    assert sorted(collect().commands) == ["one"]


def test_name_clash_names_both_packages(site):
    site.install("first", {"one": command("same")})
    site.install("second", {"two": command("same") + "    \n"})
    with pytest.raises(TondoError) as caught:
        collect()
    assert caught.value.code == "TND-P002"
    text = str(caught.value)
    assert "'one' (first 1.0) and 'two' (second 1.0)" in text
    assert "TONDO_PLUGINS=-two" in text


def test_a_listing_of_plugins_survives_a_clash(site):
    site.install("first", {"one": command("same")})
    site.install("second", {"two": command("same")})
    extensions = collect(strict=False)
    assert len(extensions.clashes) == 1
    assert dict(extensions.commands) == {}


def test_a_choice_that_leaves_one_out_settles_the_clash(site):
    site.install("first", {"one": command("same")})
    site.install("second", {"two": command("same")})
    extensions = collect("-two")
    assert reports(extensions)["two"].status == "blocked"
    assert sorted(extensions.commands) == ["same"]
    assert extensions.versions() == {"core": "0.1.0", "one": "1.0"}


def test_blocked_plugins_are_not_imported(site):
    site.install("bad", {"bad": "raise RuntimeError('imported')\n"})
    assert reports(collect("none"))["bad"].status == "blocked"


def test_only_the_named_plugins(site):
    site.install("first", {"one": command("one"), "two": command("two"), "three": command("three")})
    assert sorted(collect("one, three").commands) == ["one", "three"]
    assert sorted(collect(["two"]).commands) == ["two"]


@pytest.mark.parametrize("option", ["one,-two", "-core", "Bad Name", "none,one,-x"])
def test_malformed_choices(site, option):
    with pytest.raises(TondoError) as caught:
        collect(option)
    assert caught.value.code == "TND-U005"


@pytest.mark.parametrize("option", ["onw", "-onw"])
def test_a_choice_names_installed_plugins(site, option):
    site.install("first", {"one": command("one")})
    with pytest.raises(TondoError, match="did you mean 'one'") as caught:
        collect(option)
    assert caught.value.code == "TND-P001"
