from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tondo.diagnostics import TondoError
from tondo.driver.compile import compile
from tondo.driver.plan import make_plan
from tondo.ir import FLOAT32, Binding, Call, GraphFunction, GraphVar, IRModule, TensorType, dims
from tondo.passes import Dump, Timing
from tondo_runtime import Artifact


def build(world, source, cache=False, **options):
    return compile(source, extensions=world.extensions, tools=world.tools(cache), **options)


def test_a_file_is_loaded_lowered_and_made_into_a_session(world):
    model = build(world, world.model("hello"), threads=3, numerics="high")
    session = model.engine
    assert model.name == "net"
    assert session.threads == 3
    assert session.code == {"code/all.o": b"code"}
    np.testing.assert_array_equal(session.weights["w"], [1, 1])
    assert session.manifest.plugins == {"toy": "3.1"}
    assert session.manifest.kernels == ("k",)
    assert model.module.attrs["text"] == "hello"
    assert model.module.attrs["seen"] == ("cpu", "high", 1)
    (module, target, options, _) = world.codegen.compiled[0]
    assert module is model.module
    assert (target.kind, target.threads, options) == ("cpu", 3, {})


def test_the_manifest_holds_the_effective_pipeline(world):
    config = {"codegen": {"use": "toy", "level": 3}, "passes": ["toy.lower"], "dimensions": {"n": 4}}
    pipeline = build(world, world.model(), config=config).engine.manifest.pipeline
    assert pipeline["passes"] == [{"use": "toy.lower", "scale": 1}]
    assert pipeline["codegen"] == {"use": "toy", "level": 3}
    assert pipeline["dimensions"] == {"n": {"min": 4, "max": 4, "prefer": []}}
    assert pipeline["numerics"] == {"float32_matmul": "highest"}
    assert pipeline["target"]["cpu"] == "generic"


def test_the_pipeline_file_names_the_model_beside_it(world):
    world.model("hello", "other.toy")
    (world.folder / "p.yaml").write_text(
        "model: {path: other.toy, name: mine, inputs: {x: [4, 3]}}\ntarget: {threads: 2}\n"
        "passes: [{use: toy.lower, scale: 5}]\n"
    )
    model = build(world, None, config=world.folder / "p.yaml")
    ((source, options),) = world.frontend.loads
    assert source == world.folder / "other.toy"
    assert options.inputs == {"x": (4, 3)}
    assert model.name == "mine"
    assert model.engine.threads == 2
    np.testing.assert_array_equal(model.engine.weights["w"], [5, 5])


def test_arguments_take_precedence_over_the_file(world):
    config = {
        "target": {"cpu": "generic", "threads": 999, "features": ["+sse3"]},
        "numerics": {"float32_matmul": "medium"},
    }
    model = build(world, world.model(), config=config, threads=5, numerics="high")
    assert model.engine.threads == 5
    assert world.codegen.compiled[0][1].has("sse3")
    assert model.module.attrs["seen"][1] == "high"
    assert build(world, world.model(), config=config, target="cpu=generic").engine.threads != 999


def test_save_writes_an_artifact_that_the_runtime_opens(world):
    path = world.folder / "net.tondo"
    build(world, world.model("hello")).save(path)
    artifact = Artifact.open(path)
    assert bytes(artifact.code["code/all.o"]) == b"code"
    np.testing.assert_array_equal(artifact.weights["w"], [1, 1])
    assert artifact.manifest.name == "net"
    assert "hello" in artifact.module_text


def test_save_prefers_a_shared_object(world):
    world.codegen.links = True
    path = world.folder / "net.tondo"
    model = build(world, world.model())
    assert model.engine.code == {"code/all.o": b"code"}
    model.save(path)
    artifact = Artifact.open(path)
    assert {name: bytes(data) for name, data in artifact.code.items()} == {"code/all.so": b"linked"}
    assert artifact.manifest.code[0].kind == "shared"


def test_save_tells_when_there_is_no_shared_object(world):
    model = build(world, world.model())
    assert not world.reporter.diagnostics  # the cache is filled in silence
    model.save(world.folder / "net.tondo")
    (warning,) = world.reporter.diagnostics
    assert (warning.code, warning.severity) == ("TND-A004", "warning")
    assert warning.notes == ("no linker",)


@pytest.mark.parametrize(
    ("source", "options", "code", "text"),
    [
        ("absent.toy", {}, "TND-U006", "no such file"),
        (None, {}, "TND-U005", "no model was given"),
        (3, {}, "TND-M001", "no frontend reads a builtins.int"),
        ("net.toy", {"numerics": "exact"}, "TND-U005", "highest, high, medium"),
        ("net.toy", {"target": "gpu"}, "TND-U007", "unknown target kind"),
        ("net.toy", {"threads": 0}, "TND-U005", "from 1 to"),
        ("net.toy", {"config": {"passes": ["toy.lowr"]}}, "TND-C003", "did you mean 'toy.lower'"),
        ("net.toy", {"config": {"passes": []}}, "TND-B001", "no attribute 'symbols'"),
    ],
)
def test_mistakes(world, source, options, code, text):
    world.model()
    where = world.folder / source if isinstance(source, str) else source
    with pytest.raises(TondoError) as caught:
        build(world, where, **options)
    assert caught.value.code == code
    assert text in str(caught.value)


def test_two_frontends_may_not_claim_one_source(world):
    extensions = world.extensions
    extensions.frontends["again"] = world.frontend
    with pytest.raises(TondoError, match="several frontends claim"):
        make_plan(world.model(), None, None, None, None, extensions)


def test_the_interpreter_runs_the_module_as_it_is(world):
    model = build(world, world.model(), target="interp")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(model(x), x)
    assert isinstance(model.module, IRModule)
    assert world.codegen.compiled == []
    with pytest.raises(TondoError, match="no code to save"):
        model.save(world.folder / "m.tondo")


def test_time_progress_and_dumps(world):
    texts = {}
    timing = Timing("compile")
    tools = world.tools(False, timing=timing, instruments=[Dump(lambda module: "text", texts.__setitem__)])
    model = compile(world.model(), extensions=world.extensions, tools=tools)
    assert model.timing is timing
    assert [span.name for _, span in timing.root.walk()] == [
        "compile", "plan", "load", "passes", "toy.lower", "code", "print", "session",
    ]  # fmt: skip
    assert world.reporter.steps[-1] == ("passes: toy.lower", 1, 1)
    assert list(texts) == ["00-input", "01-toy.lower"]


def test_a_second_compilation_is_taken_from_the_cache(world):
    first = build(world, world.model(), cache=True)
    second = build(world, world.model(), cache=True)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert len(world.codegen.compiled) == 1
    assert second.engine.manifest.inputs == first.engine.manifest.inputs
    np.testing.assert_array_equal(second.engine.weights["w"], [1, 1])
    second.save(world.folder / "again.tondo")
    assert Artifact.open(world.folder / "again.tondo").manifest.name == "net"
    assert world.codegen.compiled[0][3].cache == world.folder / "cache" / "objects"


def test_saving_copies_the_entry_of_the_cache_as_long_as_it_is_there(world):
    world.codegen.links = True
    links = []
    link = world.codegen.link
    world.codegen.link = lambda code, target: links.append(1) or link(code, target)
    first = build(world, world.model(), cache=True)
    (entry,) = (world.folder / "cache" / "artifacts").iterdir()
    saved = world.folder / "saved.tondo"
    manifest = first.save(saved)
    assert saved.read_bytes() == entry.read_bytes()
    assert manifest == Artifact.open(saved).manifest
    assert len(links) == 1
    second = build(world, world.model(), cache=True)
    content = entry.read_bytes()
    entry.unlink()
    for model in (first, second):
        saved.unlink()
        assert model.save(saved) == manifest
        assert saved.read_bytes() == content


def test_without_a_linker_saving_warns_whether_there_is_a_cache_or_not(world):
    for cache in (True, False):
        world.reporter.diagnostics.clear()
        build(world, world.model(), cache=cache).save(world.folder / "saved.tondo")
        assert [item.code for item in world.reporter.diagnostics] == ["TND-A004"]


def test_everything_that_matters_is_in_the_key(world):
    def compiled(**options):
        before = len(world.codegen.compiled)
        build(world, world.folder / "net.toy", cache=True, **options)
        return len(world.codegen.compiled) - before

    world.model()
    assert compiled() == 1
    assert compiled() == 0
    assert compiled(threads=7) == 1
    assert compiled(numerics="high") == 1
    assert compiled(target="cpu=generic,features=+sse3") == 1
    assert compiled(config={"passes": [{"use": "toy.lower", "scale": 2}]}) == 1
    assert compiled(config={"codegen": {"use": "toy", "level": 1}}) == 1
    assert compiled(config={"model": {"name": "other"}}) == 1
    world.codegen.version = "2"
    assert compiled() == 1
    world.model("changed")
    assert compiled() == 1
    assert compiled() == 0


def test_the_cache_can_be_switched_off(world):
    for _ in range(2):
        build(world, world.model(), cache=True, config={"cache": False})
    assert len(world.codegen.compiled) == 2
    assert not (world.folder / "cache").exists()


def test_a_frontend_that_tells_sources_apart_is_not_asked_to_load_again(world):
    world.frontend = world.digesting_frontend()
    build(world, world.model(), cache=True)
    build(world, world.model(), cache=True)
    assert len(world.frontend.loads) == 1
    build(world, world.model("other"), cache=True)
    assert len(world.frontend.loads) == 2


def test_a_damaged_entry_of_the_cache_is_made_again(world):
    build(world, world.model(), cache=True)
    (entry,) = (world.folder / "cache" / "artifacts").iterdir()
    entry.write_bytes(entry.read_bytes()[:-100])
    assert not build(world, world.model(), cache=True).from_cache
    assert [item.code for item in world.reporter.diagnostics] == ["TND-U008"]
    assert build(world, world.model(), cache=True).from_cache


def test_a_cache_that_cannot_be_written_is_a_warning(world):
    (world.folder / "cache").write_text("a file where a folder belongs")
    model = build(world, world.model(), cache=True)
    assert not model.from_cache
    assert [item.severity for item in world.reporter.diagnostics] == ["warning"]


def test_import_is_light_and_compile_comes_on_demand():
    script = (
        "import sys, tondo\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "heavy = {'pydantic', 'pluggy', 'ruamel', 'numpy', 'llvmlite', 'onnx'} & loaded\n"
        "assert not heavy, heavy\n"
        "assert callable(tondo.compile)\n"
        "assert 'onnx' not in sys.modules and 'llvmlite' not in sys.modules\n"
        "try:\n    tondo.absent\nexcept AttributeError as error:\n    assert 'absent' in str(error)\n"
        "else:\n    raise AssertionError\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


@pytest.mark.parametrize("component", ["frontend.load", "frontend.claims", "codegen.compile"])
def test_a_component_that_breaks_is_named(world, component):
    def broken(*args):
        raise ZeroDivisionError("oops")

    part, method = component.split(".")
    setattr(getattr(world, part), method, broken)
    with pytest.raises(TondoError) as caught:
        build(world, world.model())
    assert caught.value.code == "TND-Z001"
    assert "'toy' failed" in str(caught.value)
    assert "ZeroDivisionError: oops" in str(caught.value)


def test_bounds_of_dimensions_reach_the_manifest(world):
    model = build(world, world.model(), config={"dimensions": {"n": {"min": 5}}})
    assert [(symbol.name, symbol.minimum) for symbol in model.engine.manifest.symbols] == [("n", 5)]


def test_what_passes_ensure_is_verified(world, monkeypatch):
    x, y = (GraphVar(name, TensorType(dims((3,)), FLOAT32)) for name in "xy")
    module = IRModule.of(GraphFunction("main", (x,), (Binding((y,), Call("toy.op", (x,))),), (y,)))
    lower = world.extensions.passes["toy.lower"]
    monkeypatch.setattr(lower, "ensures", frozenset({"defined"}))
    with pytest.raises(TondoError, match=r"the pass 'toy\.lower' ensures 'defined'") as caught:
        build(world, module)
    assert caught.value.code == "TND-B002"
    assert build(world, module, config={"verify": "never"}).name == "model"
