"""Converters that other packages bring: by hook, by domain, by version, before functions and converters of old."""

from __future__ import annotations

import sys
from textwrap import dedent

import numpy as np
import pytest
from onnx import helper

import tondo
from tondo.diagnostics import TondoError
from tondo.plugin import collect
from tondo_onnx.extension import HOOK, Converters, OnnxConverter

X = np.array([1.0, -2.0], np.float32)

PLUGIN = """
from tondo.plugin import PluginInfo, hookimpl
from tondo_onnx.extension import OnnxConverter

TONDO_PLUGIN = PluginInfo("operators of ACME", api=1, min_core="0.1")


def _scaled(site):
    factor = site.scalar(site.attributes.number("factor"), site.arg(0).dtype)
    return site.call("mul", site.arg(0), factor)


def _halved(site):
    return site.call("mul", site.arg(0), site.scalar(0.5, site.arg(0).dtype))


@hookimpl
def register_onnx_converters():
    return [OnnxConverter("com.acme", "Scaled", _scaled), OnnxConverter("com.acme", "Scaled", _halved, since=3)]
"""


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """An installed package with converters for the domain ``com.acme``."""
    (tmp_path / "acme_onnx.py").write_text(dedent(PLUGIN))
    info = tmp_path / "acme_onnx-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-onnx\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tondo.plugins]\nacme = acme_onnx\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield collect()
    sys.modules.pop("acme_onnx", None)


def _model(tools, version, **attributes):
    model = tools.model(
        [tools.node("Scaled", ["x"], domain="com.acme", **attributes)], {"x": ("float32", (2,))}, domains=["com.acme"]
    )
    model.opset_import[1].version = version
    return model


@pytest.mark.parametrize(("version", "factor"), [(1, 3.0), (2, 3.0), (3, 0.5)])
def test_a_package_brings_converters_of_its_domain(tools, acme, version, factor):
    compiled = tondo.compile(_model(tools, version, factor=3.0), target="interp", extensions=acme)
    np.testing.assert_array_equal(compiled(X), X * np.float32(factor))


def test_without_the_package_the_operator_is_unknown(tools):
    with pytest.raises(TondoError, match="cannot be imported"):
        tools.load(_model(tools, 1, factor=3.0))


def test_converters_come_before_functions_of_the_model_and_those_of_the_importer(tools):
    body = [helper.make_node("Neg", ["a"], ["b"])]
    function = helper.make_function("com.acme", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    nodes = [tools.node("Twice", ["x"], ["t"], domain="com.acme"), tools.node("Relu", ["t"])]
    model = tools.model(nodes, {"x": ("float32", (2,))}, functions=[function], domains=["com.acme"])
    np.testing.assert_array_equal(tools.run(tools.load(model), [X])[0], [0.0, 2.0])
    twice = OnnxConverter("com.acme", "Twice", lambda site: site.call("add", site.arg(0), site.arg(0)))
    plain = OnnxConverter("", "Relu", lambda site: site.arg(0))
    components = {HOOK: {item.name: item for item in (twice, plain)}}
    np.testing.assert_array_equal(tools.run(tools.load(model, components=components), [X])[0], X * 2)


def test_names_tell_versions_apart():
    first, second = (OnnxConverter("com.acme", "Op", lambda site: site.arg(0), since) for since in (1, 4))
    assert (first.name, second.name) == ("com.acme.Op-1", "com.acme.Op-4")
    assert OnnxConverter("", "Op", first.convert).name == "ai.onnx.Op-1"
    converters = Converters.of([first, second, "something else"])
    assert converters.find("com.acme", "Op", 3) is first.convert
    assert converters.find("com.acme", "Op", 5) is second.convert
    assert converters.find("com.acme", "Op", 0) is None
    assert converters.find("", "Op", 5) is None
