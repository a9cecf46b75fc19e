"""Functions that libraries run, from the model to the artifact: kernels by name, external compilers, partitioning."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from textwrap import dedent

import numpy as np
import onnx
import pytest
import toy_library
from onnx import helper
from toy_library import Compiler, Kernels

import tondo
import tondo_runtime
from tondo.diagnostics import TondoError
from tondo.driver.compile import Tools
from tondo.driver.environment import Environment
from tondo.interp import run_tensor_function
from tondo.ir import (
    FLOAT32,
    Binding,
    Call,
    Const,
    GraphFunction,
    GraphVar,
    IRModule,
    TensorType,
    Var,
)
from tondo.passes import Miss, Offer, PassContext, Times
from tondo.passes.library import placed
from tondo.passes.placement import placements_of
from tondo.plugin import collect
from tondo.script import parse, script
from tondo.target import parse_target
from tondo_passes.graph.define import Define
from tondo_passes.graph.partition import Partition
from tondo_runtime.dims import evaluate
from tondo_runtime.errors import RuntimeFailure
from tondo_runtime.loaders import _loaders, register_loader

pytestmark = pytest.mark.llvm


@pytest.fixture(autouse=True)
def functions():
    """The packed function and the loader of the toy, for one test."""
    space: dict = {}
    exec(toy_library.LOADER, space)
    toy_library.CALLS.clear()
    tondo_runtime.register("toy.multiply", toy_library.multiply, override=True)
    register_loader(toy_library.KIND, space["load"], override=True)
    yield space
    tondo_runtime.remove("toy.multiply")
    _loaders.clear()


def model(*, rows="n", symbolic=True):
    """``relu(x @ w) @ v`` with constant ``w`` and the input ``v``."""
    generator = np.random.default_rng(0)
    w = generator.standard_normal((7, 6)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["t"], "first"),
        helper.make_node("Relu", ["t"], ["u"], "positive"),
        helper.make_node("MatMul", ["u", "v"], ["y"], "second"),
    ]
    size = rows if symbolic else 5
    graph = helper.make_graph(
        nodes,
        "net",
        [
            helper.make_tensor_value_info("x", 1, [size, 7]),
            helper.make_tensor_value_info("v", 1, [6, 8]),
        ],
        [helper.make_tensor_value_info("y", 1, [size, 8])],
        [onnx.numpy_helper.from_array(w, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), w


def arrays(rows=5):
    generator = np.random.default_rng(1)
    return {
        "x": generator.standard_normal((rows, 7)).astype(np.float32),
        "v": generator.standard_normal((6, 8)).astype(np.float32),
    }


def expected(inputs, w):
    return np.maximum(inputs["x"] @ w, 0) @ inputs["v"]


def compiled(proto, *libraries, **options):
    """Compile with ``libraries`` in place of the installed ones; ``options`` are those of the pass."""
    found = collect()
    extensions = dataclasses.replace(found, libraries={library.name: library for library in libraries})
    names = [spec.use for spec in found.pipelines["cpu"].passes]
    passes = [{"use": name, **(options if name == "graph.partition" else {})} for name in names]
    return tondo.compile(proto, extensions=extensions, config={"passes": passes, "cache": False})


def run(built, rows=5):
    return built.run(arrays(rows))["y"]


@pytest.mark.parametrize("symbolic", [True, False])
def test_a_kernel_is_called_with_scalars_buffers_and_attributes(symbolic):
    proto, w = model(symbolic=symbolic)
    built = compiled(proto, Kernels(), library="prefer")
    for rows in (5, 9) if symbolic else (5,):
        np.testing.assert_allclose(run(built, rows), expected(arrays(rows), w), rtol=1e-5, atol=1e-5)
        scalars = [scalars for scalars, _ in toy_library.CALLS]
        assert scalars == ([(rows,)] * 2 if symbolic else [()] * 2)
        assert all(attributes == {"scale": 1} for _, attributes in toy_library.CALLS)
        toy_library.CALLS.clear()


def test_what_runs_elsewhere_stays_in_the_module():
    proto, w = model()
    built = compiled(proto, Kernels(), library="prefer")
    functions = [each for each in built.module.tensor_functions() if placed(each)]
    assert [each.attrs["library"] for each in functions] == ["kernels"] * 2
    assert parse(script(built.module), constants=built.module.constants) == built.module
    given = [arrays()["x"], arrays()["v"], w]
    memory = [np.zeros((5, 8), np.float32), np.zeros(evaluate(built.engine.manifest.workspace, {"n": 5}), np.uint8)]
    outputs = run_tensor_function(built.module.tensor("main"), given, memory, {"n": 5}, module=built.module)
    np.testing.assert_allclose(outputs[0], expected(arrays(), w), rtol=1e-5, atol=1e-5)
    assert not toy_library.CALLS  # the interpreter runs the functions themselves


def test_calls_of_libraries_stand_in_profiles():
    proto, _ = model()
    built = compiled(proto, Kernels(), library="prefer")
    with built.profile() as profile:
        run(built)
    times = {entry.name: entry.count for entry in profile.table()}
    assert [count for name, count in times.items() if name.endswith("_kernels")] == [1, 1]


def test_an_external_compiler_gets_all_its_functions_at_once(functions):
    proto, w = model()
    library = Compiler()
    built = compiled(proto, library, library="prefer")
    assert [len(names) for names in library.compiled] == [2]
    for rows in (5, 9):
        np.testing.assert_allclose(run(built, rows), expected(arrays(rows), w), rtol=1e-5, atol=1e-5)
    assert functions["calls"] == [(5,), (5,), (9,), (9,)]
    assert [entry.kind for entry in built.engine.manifest.code if entry.kind not in {"object", "shared"}] == ["toy"]


def test_versions_for_preferred_sizes_go_to_the_library_as_well():
    proto, w = model()
    library = Compiler()
    names = [spec.use for spec in collect().pipelines["cpu"].passes]
    passes = [{"use": name, **({"library": "prefer"} if name == "graph.partition" else {})} for name in names]
    extensions = dataclasses.replace(collect(), libraries={"compiler": library})
    config = {"passes": passes, "cache": False, "dimensions": {"n": {"prefer": [5]}}}
    built = tondo.compile(proto, extensions=extensions, config=config)
    assert [len(given) for given in library.compiled] == [4]
    for rows in (5, 9):
        np.testing.assert_allclose(run(built, rows), expected(arrays(rows), w), rtol=1e-5, atol=1e-5)


def test_a_saved_model_runs_with_the_runtime_and_the_loader_alone(tmp_path):
    """The artifact holds the code; the loader is found by its kind; without it the message says what is missing."""
    proto, w = model()
    compiled(proto, Compiler(), library="prefer").save(tmp_path / "net.tondo")
    np.savez(tmp_path / "given.npz", expected=expected(arrays(), w), **arrays())
    site = tmp_path / "site"
    info = site / "toy_runtime-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "toy_runtime.py").write_text(toy_library.LOADER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-runtime\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tondo_runtime.loaders]\ntoy = toy_runtime:load\n")
    program = dedent("""
        import sys
        import numpy as np
        sys.modules["tondo"] = None
        import tondo_runtime
        given = np.load("given.npz")
        model = tondo_runtime.load("net.tondo")
        found = model.run({"x": given["x"], "v": given["v"]})["y"]
        np.testing.assert_allclose(found, given["expected"], rtol=1e-5, atol=1e-5)
        print("equal")
    """)

    def process(path):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))}
        words = [sys.executable, "-c", program]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    done = process(str(site))
    assert done.stdout.strip() == "equal", done.stderr
    assert "no installed package can load" in process("").stderr


def test_without_the_library_the_results_are_the_same():
    proto, _ = model()
    with_it, without = compiled(proto, Kernels(), library="prefer"), compiled(proto)
    np.testing.assert_allclose(run(with_it), run(without), rtol=1e-5, atol=1e-5)


def test_never_asks_nobody():
    proto, w = model()
    library = Kernels()
    built = compiled(proto, library, library="never")
    assert not library.asked
    assert placements_of(built.module) == []
    np.testing.assert_allclose(run(built), expected(arrays(), w), rtol=1e-5, atol=1e-5)


def test_modes_of_single_libraries():
    proto, _ = model()
    one, other = Kernels(), Kernels("other")
    built = compiled(proto, one, other, libraries={"kernels": "never", "other": "prefer"})
    assert {each.attrs["library"] for each in built.module.tensor_functions() if placed(each)} == {"other"}
    assert not one.asked


def test_a_request_is_granted_by_function_source_and_kind():
    proto, w = model()
    for request in ({"source": "*second*"}, {"function": "matmul*"}, {"kind": "contraction"}):
        built = compiled(proto, Kernels(), library="never", require=[{"library": "kernels", **request}])
        rows = [row for row in placements_of(built.module) if row.runs == "kernels"]
        assert {row.reason for row in rows} == {"requested"}
        assert sum(row.calls for row in rows) == (1 if "source" in request else 2)
        np.testing.assert_allclose(run(built), expected(arrays(), w), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ({"require": [{"library": "kernels", "source": "*positive*"}]}, "TND-B006", "it is no single product"),
        ({"require": [{"library": "kernels", "kind": "reduction"}]}, "TND-B006", "no call of the model is"),
        ({"require": [{"library": "kernel"}]}, "TND-C004", "did you mean 'kernels'"),
        ({"require": [{"function": "matmul"}]}, "TND-C001", "'library' is needed"),
        ({"require": [{"library": "kernels", "op": "MatMul"}]}, "TND-C001", "['op']"),
        ({"libraries": {"absent": "prefer"}}, "TND-C004", "no library 'absent'"),
        ({"library": "always"}, "TND-C001", "auto"),
    ],
)
def test_requests_that_cannot_be_granted_are_errors(options, code, text):
    proto, _ = model()
    with pytest.raises(TondoError) as caught:
        compiled(proto, Kernels(), **options)
    assert caught.value.diagnostics[0].code == code
    assert text in str(caught.value)


class Raising(Kernels):
    def match(self, function, target):
        raise RuntimeError("broken pipe")


class Silent(Kernels):
    def match(self, function, target):
        return None


class Lazy(Compiler):
    def compile(self, functions, context):
        return []


class Native(Compiler):
    def compile(self, functions, context):
        return [dataclasses.replace(piece, kind="object") for piece in super().compile(functions, context)]


class Twice(Compiler):
    def compile(self, functions, context):
        return [*super().compile(functions, context)] * 2


@pytest.mark.parametrize(
    ("library", "code", "text"),
    [
        (Raising(), "TND-Z001", "the library 'kernels' failed"),
        (Silent(), "TND-B006", "answered with a NoneType"),
        (Lazy(), "TND-B006", "did not compile"),
        (Native(), "TND-B006", "of the kind 'object'"),
        (Twice(), "TND-B006", "two pieces of code called 'all'"),
        (Kernels(offer=Offer(None)), "TND-B006", "offered no packed function"),
    ],
)
def test_a_broken_library_is_named(library, code, text):
    proto, _ = model()
    with pytest.raises(TondoError) as caught:
        compiled(proto, library, library="prefer")
    assert caught.value.diagnostics[0].code == code
    assert text in str(caught.value)
    assert library.name in str(caught.value)


def test_a_function_that_is_missing_at_run_time_is_named():
    proto, _ = model()
    with pytest.raises(RuntimeFailure, match=r"absent\.function") as caught:
        compiled(proto, Kernels(offer=Offer("absent.function")), library="prefer")
    assert caught.value.code == "TND-R002"


def test_a_module_with_placed_functions_needs_the_library():
    proto, _ = model()
    stage = compiled(proto, Kernels(), library="prefer").module
    assert any(placed(each) for each in stage.tensor_functions())
    with pytest.raises(TondoError) as caught:
        tondo.compile(stage, extensions=dataclasses.replace(collect(), libraries={}), config={"passes": []})
    assert caught.value.diagnostics[0].code == "TND-B006"
    assert "'kernels'" in str(caught.value)


def test_every_call_that_a_library_takes_is_reported():
    proto, _ = model()
    rows = placements_of(compiled(proto, Kernels()).module)
    assert [row.library for row in rows] == ["kernels"] * len(rows)
    assert sum(row.calls for row in rows) == 2
    assert all(row.generated_seconds > 0 and row.reason for row in rows)


def test_who_offers_nothing_does_not_appear():
    class Nothing(Kernels):
        def match(self, function, target):
            return Miss("nothing is good enough")

    proto, _ = model()
    assert placements_of(compiled(proto, Nothing()).module) == []


def defined(shape=(256, 512), depth=4096, epilogue=True, rows=None):
    """A module after ``graph.define``: a product of two inputs, and an epilogue."""
    found = collect()
    m, n = (Var(rows) if rows else Const(shape[0])), Const(shape[1])
    x = GraphVar("x", TensorType((m, Const(depth)), FLOAT32))
    w = GraphVar("w", TensorType((Const(depth), n), FLOAT32))
    t, y = GraphVar("t", TensorType((m, n), FLOAT32)), GraphVar("y", TensorType((m, n), FLOAT32))
    bindings = [Binding((t,), Call("matmul", (x, w)))]
    if epilogue:
        bindings.append(Binding((y,), Call("relu", (t,))))
    graph = GraphFunction("main", (x, w), tuple(bindings), (y if epilogue else t,))
    context = PassContext(parse_target("native", found.targets.values()), found.operators)
    return Define().run(IRModule.of(graph), context)


class Timed:
    """Trials that answer with given times and remember what they were asked."""

    def __init__(self, generated, library, native=True):
        self.answers = [generated, library]
        self.native = native
        self.asked = []

    def represents(self, target):
        return self.native

    def times(self, modules, after):
        assert after == "graph.partition"
        self.asked.append([len(module.graph("main").bindings) for module in modules])
        return [Times(seconds, 0.0) for seconds in self.answers]


def decided(trials, module, *, seconds=None, **options):
    """Return the report of the pass about ``module``."""
    found = collect()
    library = Kernels(offer=Offer("toy.multiply", seconds=seconds))
    context = PassContext(
        parse_target("native", found.targets.values()),
        found.operators,
        rules=found.schedule_rules,
        libraries={"kernels": library},
        trials=trials,
    )
    after = Partition(**options).run(module, context)
    runs = {row.runs for row in placements_of(after)}
    assert any(placed(each) for each in after.tensor_functions()) == ("kernels" in runs)
    return placements_of(after)


def test_the_faster_one_is_chosen_by_time():
    (row,) = decided(Timed(2e-3, 1e-3), defined())
    assert (row.runs, row.reason, row.origin) == ("kernels", "faster", "measured")
    assert (row.library_seconds, row.generated_seconds) == (1e-3, 2e-3)
    (row,) = decided(Timed(1e-3, 0.95e-3), defined())
    assert (row.runs, row.reason) == ("generated", "not faster")


def test_what_generated_code_joins_is_measured_with_it():
    trials = Timed(1e-3, 2e-3)
    decided(trials, defined())
    assert trials.asked == [[2, 2]]
    trials = Timed(1e-3, 2e-3)
    decided(trials, defined(epilogue=False))
    assert trials.asked == [[1, 1]]


def test_what_is_not_measured_goes_by_estimates():
    for options in ({"measure": "never"}, {"most_measured": 0}):
        trials = Timed(1.0, 1e-9)
        (row,) = decided(trials, defined(), **options)
        assert (row.runs, row.origin) == ("generated", "estimated")
        assert "not measured" in row.reason
        (row,) = decided(trials, defined(), seconds=1e-7, **options)
        assert (row.runs, row.origin) == ("kernels", "estimated")
        assert not trials.asked
    (row,) = decided(Timed(1.0, 1e-9, native=False), defined())
    assert row.reason == "not measured: the target is not this machine"


def test_what_cannot_win_is_not_measured():
    trials = Timed(1.0, 1e-9)
    (row,) = decided(trials, defined(), seconds=1.0)
    assert (row.runs, row.reason) == ("generated", "cannot gain enough")
    assert not trials.asked


def test_symbolic_sizes_are_measured_at_likely_ones():
    trials = Timed(1.0, 1e-9)
    (row,) = decided(trials, defined(rows="n"))
    assert row.runs == "kernels"
    assert trials.asked == [[2, 2]]


def test_measurements_are_kept(tmp_path, monkeypatch):
    """The second compilation runs nothing and decides the same."""
    from tondo.driver import trials

    proto, _ = model()
    monkeypatch.setattr(trials, "_remembered", {})
    environment = Environment("", tmp_path / "cache")
    runs = []
    alternate = trials._alternate
    monkeypatch.setattr(trials, "_alternate", lambda items: runs.append(len(items)) or alternate(items))
    monkeypatch.setattr("tondo_passes.graph.weigh.SHARE", 0.0)
    found = dataclasses.replace(collect(), libraries={"kernels": Kernels(offer=Offer("toy.multiply"))})
    reports = []
    for name in ("one", "two"):
        tools = Tools(environment=environment)
        built = tondo.compile(proto, extensions=found, tools=tools, config={"model": {"name": name}})
        assert not built.from_cache
        reports.append(placements_of(built.module))
        trials._remembered.clear()
    assert reports[0] == reports[1]
    measured = [row for row in reports[0] if row.origin == "measured"]
    assert runs == [2] * len(measured)
    assert list((tmp_path / "cache" / "notes").glob("*.json")) or not measured
