"""A compiled model as a library of tvm-ffi, called in a process that can import neither Tondo nor llvmlite."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import typer.testing
from onnx import TensorProto, helper, numpy_helper

import tondo
import tondo_tvm_ffi
from tondo.diagnostics import TondoError
from tondo.ir import TensorFunction
from tondo.passes import Miss, Offer
from tondo.plugin import collect
from tondo.script import parse
from tondo.target import Target
from tondo_tvm_ffi.command import app

pytestmark = pytest.mark.llvm

ALONE = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].startswith(("tondo", "llvmlite")):
            raise ImportError(name)
sys.meta_path.insert(0, Refusing())
import numpy as np
import tvm_ffi
folder = sys.argv[1]
module = tvm_ffi.load_module(folder + "/model.so")
data = np.load(folder + "/data.npz")
def refused(kind, text, *args):
    try:
        module.main(*args)
    except kind as error:
        assert text in str(error), str(error)
    else:
        raise AssertionError(text)
"""


def alone(folder: Path, code: str) -> None:
    result = subprocess.run([sys.executable, "-c", ALONE + code, str(folder)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def conv_net(path: Path) -> None:
    """Two branches, a reduction, a product; outputs of different ranks."""
    rng = np.random.default_rng(0)
    weights = {
        "w": rng.standard_normal((8, 3, 3, 3)),
        "b": rng.standard_normal(8),
        "fc": rng.standard_normal((8, 5)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "fc"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 5]),
            helper.make_tensor_value_info("half", TensorProto.FLOAT, ["batch", 8, 8, 8]),
        ],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    conv_net(folder / "model.onnx")
    config = {"cache": False, "dimensions": {"batch": {"max": 64}}}
    tondo_tvm_ffi.export_library(folder / "model.onnx", folder / "model.so", config=config, threads=2)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    data: dict[str, np.ndarray] = {}
    for n in (1, 7):
        data[f"x{n}"] = np.random.default_rng(n).standard_normal((n, 3, 16, 16)).astype(np.float32)
        data[f"y{n}"], data[f"half{n}"] = session.run(None, {"x": data[f"x{n}"]})
    np.savez(folder / "data.npz", **data)
    return folder


def test_two_sizes_in_both_forms_against_onnxruntime(folder: Path) -> None:
    alone(
        folder,
        """
for n in (1, 7, 1):
    y, half = np.full((n, 5), np.nan, "f4"), np.full((n, 8, 8, 8), np.nan, "f4")
    assert module.main(data[f"x{n}"], y, half) is None
    np.testing.assert_allclose(y, data[f"y{n}"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(half, data[f"half{n}"], rtol=1e-4, atol=1e-4)
    made = module.main(tvm_ffi.from_dlpack(data[f"x{n}"]))
    assert len(made) == 2
    np.testing.assert_array_equal(np.from_dlpack(made[0]), y)
    np.testing.assert_array_equal(np.from_dlpack(made[1]), half)
kept = np.from_dlpack(module.main(data["x7"])[0])
for _ in range(20):
    module.main(data["x1"])
np.testing.assert_allclose(kept, data["y7"], rtol=1e-4, atol=1e-4)
""",
    )


def test_wrong_arguments_are_refused_with_the_reason(folder: Path) -> None:
    alone(
        folder,
        """
x, y, half = data["x7"], np.zeros((7, 5), "f4"), np.zeros((7, 8, 8, 8), "f4")
refused(TypeError, "takes 1 tensors, and may be given 2 more to write into, not 0 arguments")
refused(TypeError, "not 2 arguments", x, y)
refused(TypeError, "input 'x' of 'main' is no tensor (type code 1)", 3)
refused(TypeError, "input 'x' of 'main' has another element type than float32", x.astype("f8"))
refused(ValueError, "input 'x' of 'main' has 3 dimensions instead of 4", x[0])
refused(ValueError, "input 'x' of 'main' is not row-major", x.transpose(0, 1, 3, 2))
refused(ValueError, "dimension 1 of the input 'x' of 'main' is 2 instead of 3", np.zeros((7, 2, 16, 16), "f4"))
refused(ValueError, "dimension 0 of the output 'y' of 'main' is 6 instead of 7 (batch)", x, y[:6], half)
refused(ValueError, "is 65, 'batch' has to be at most 64", np.zeros((65, 3, 16, 16), "f4"))
flat = np.zeros(7 * 3 * 16 * 16 + 10, "f4")
inside = flat[: x.size].reshape(x.shape)
refused(ValueError, "output 'y' of 'main' shares memory with the input 'x'", inside, flat[:35].reshape(7, 5), half)
inner = half.reshape(-1)[:35].reshape(7, 5)
refused(ValueError, "output 'half' of 'main' shares memory with the output 'y'", x, inner, half)
apart = np.zeros(7 * 5 * 4 + 1, "u1")[1:].view("f4").reshape(7, 5)
refused(ValueError, "output 'y' of 'main' is not aligned", x, apart, half)
""",
    )


def test_threads_metadata_and_calls_side_by_side(folder: Path) -> None:
    alone(
        folder,
        """
from concurrent.futures import ThreadPoolExecutor
schema = module.get_function_metadata("main")
assert schema["tondo"]["inputs"] == [{"name": "x", "dtype": "float32", "shape": "(batch, 3, 16, 16)"}]
assert "Tensor" in str(tvm_ffi.core.TypeSchema.from_json_str(schema["type_schema"]))
assert module.get_function_doc("main").startswith("main(x: float32 (batch, 3, 16, 16)) returns y: float32 (batch, 5)")
def run(number):
    n = (1, 7)[number % 2]
    np.testing.assert_allclose(np.from_dlpack(module.main(data[f"x{n}"])[0]), data[f"y{n}"], rtol=1e-4, atol=1e-4)
with ThreadPoolExecutor(4) as executor:
    list(executor.map(run, range(60)))
for count in (1, 2):
    module.set_threads(count)
    run(1)
for wrong in (0, 3, "two", 1.5):
    try:
        module.set_threads(wrong)
    except ValueError as error:
        assert "from 1 to 2" in str(error)
    else:
        raise AssertionError(wrong)
""",
    )


def test_the_library_can_be_unloaded(folder: Path) -> None:
    alone(
        folder,
        """
import gc
del module
for _ in range(3):
    again = tvm_ffi.load_module(folder + "/model.so", keep_module_alive=False)
    np.testing.assert_allclose(np.from_dlpack(again.main(data["x7"])[0]), data["y7"], rtol=1e-4, atol=1e-4)
    del again
    gc.collect()
""",
    )


FOREIGN = """
@graph_function
def main(x: Tensor((n,), "float32"), k: Tensor((n * 2,), "float32")):
    y: Tensor((n,), "float32") = call_packed("NAME", x)
    z: Tensor((n,), "float32") = call("add", y, x)
    return (z,)
"""


def test_foreign_functions_of_tvm_ffi_are_looked_up_there(tmp_path: Path) -> None:
    tondo_tvm_ffi.export_library(
        parse(FOREIGN.replace("NAME", "tvm_ffi:library.twice")), tmp_path / "model.so", config={"cache": False}
    )
    np.savez(tmp_path / "data.npz", x=np.arange(4, dtype=np.float32))
    alone(
        tmp_path,
        """
x, k = data["x"], np.zeros(8, "f4")
refused(RuntimeError, "needs the function 'library.twice', which tvm-ffi does not have", x, k)
calls = []
def twice(x, y):
    calls.append(x.shape)
    if len(calls) == 2:
        raise ValueError("the second time")
tvm_ffi.register_global_func("library.twice", twice)
module.main(x, k)
assert calls == [(4,)], calls
refused(ValueError, "the second time", x, k)
refused(ValueError, "is 6 instead of 8 ((n * 2))", x, k[:6])
""",
    )


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.so"
    with pytest.raises(TondoError, match=r"calls the foreign function 'my\.function'") as info:
        tondo_tvm_ffi.export_library(parse(FOREIGN.replace("NAME", "my.function")), path, config={"cache": False})
    assert info.value.diagnostics[0].code == "TND-B004"
    for name in ("set_threads", "two words", "", "0"):
        with pytest.raises(TondoError, match="cannot be the name"):
            tondo_tvm_ffi.export_library(parse(FOREIGN), path, name=name)
    plain = parse('@graph_function\ndef main(x: Tensor((n,), "float32")):\n    return (x,)\n')
    with pytest.raises(TondoError, match="compiled already"):
        tondo_tvm_ffi.export_library(tondo.compile(plain, target="interp"), path)
    with pytest.raises(TondoError, match="the interpreter makes no code"):
        tondo_tvm_ffi.export_library(plain, path, target="interp")
    assert not path.exists()


class _TakesAll:
    """A library that offers to run everything."""

    name = "takes_all"

    def supports(self, target: Target) -> bool:
        del target
        return True

    def match(self, function: TensorFunction, target: Target) -> Offer | Miss:
        raise AssertionError("libraries are not asked")


def test_libraries_are_not_asked(folder: Path, tmp_path: Path) -> None:
    brought = collect()
    brought = replace(brought, libraries={**brought.libraries, "takes_all": _TakesAll()})
    manifest = tondo_tvm_ffi.export_library(
        folder / "model.onnx", tmp_path / "model.so", config={"cache": False}, extensions=brought
    )
    assert manifest.packed == ()


def test_a_forked_child_computes_too(folder: Path) -> None:
    alone(
        folder,
        """
import os, warnings
def right():
    return np.allclose(np.from_dlpack(module.main(data["x7"])[0]), data["y7"], rtol=1e-4, atol=1e-4)
assert right()
warnings.simplefilter("ignore")
child = os.fork()
if child == 0:
    os._exit(0 if right() else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert right()
""",
    )


def test_the_command_writes_the_library(folder: Path, tmp_path: Path) -> None:
    runner = typer.testing.CliRunner()
    path = tmp_path / "model.so"
    result = runner.invoke(app, [str(folder / "model.onnx"), "-o", str(path), "--threads", "1"])
    assert result.exit_code == 0, result.output
    assert "function main" in result.output
    assert "input: x float32 (batch, 3, 16, 16)" in result.output
    (tmp_path / "data.npz").write_bytes((folder / "data.npz").read_bytes())
    alone(tmp_path, "assert module.main(data['x1'])[0].shape == (1, 5)")
