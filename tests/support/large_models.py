"""Models large in bytes (external data) or in nodes; ``python large_models.py KIND SIZE FOLDER`` compiles one."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def of_bytes(folder: Path, layers: int, width: int) -> Path:
    """Write a model of ``layers`` products with weights ``[width, width]`` in one external file; return its path."""
    generator = np.random.default_rng(0)
    nodes, tensors, value = [], [], "x"
    with (folder / "weights.bin").open("wb") as file:
        for layer in range(layers):
            weight = generator.standard_normal((width, width), np.float32) / np.float32(np.sqrt(width))
            tensor = onnx.TensorProto(name=f"w{layer}", dims=weight.shape, data_type=TensorProto.FLOAT)
            tensor.data_location = TensorProto.EXTERNAL
            for key, text in (("location", "weights.bin"), ("offset", file.tell()), ("length", weight.nbytes)):
                tensor.external_data.add(key=key, value=str(text))
            file.write(weight.data)
            tensors.append(tensor)
            nodes.append(helper.make_node("MatMul", [value, f"w{layer}"], [f"p{layer}"]))
            nodes.append(helper.make_node("Relu", [f"p{layer}"], [f"r{layer}"]))
            value = f"r{layer}"
    return _written(folder, nodes, tensors, value, ["rows", width])


def of_nodes(folder: Path, count: int, width: int = 16) -> Path:
    """Write a model of about ``count`` nodes in blocks of eight that repeat; return its path."""
    generator = np.random.default_rng(0)
    nodes, tensors, value = [], [], "x"
    for block in range(count // 8):
        weight = generator.standard_normal((width, width)).astype(np.float32) / np.float32(np.sqrt(width))
        tensors.append(numpy_helper.from_array(weight, f"w{block}"))
        steps = [
            ("MatMul", [value, f"w{block}"]), ("Tanh", [f"b{block}_0"]), ("Softmax", [f"b{block}_1"]),
            ("Mul", [f"b{block}_2", f"b{block}_1"]), ("Transpose", [f"b{block}_3"]), ("Transpose", [f"b{block}_4"]),
            ("Add", [f"b{block}_5", value]), ("Sigmoid", [f"b{block}_6"]),
        ]  # fmt: skip
        nodes += [helper.make_node(op, inputs, [f"b{block}_{i}"]) for i, (op, inputs) in enumerate(steps)]
        value = f"b{block}_7"
    return _written(folder, nodes, tensors, value, ["rows", width])


def _written(folder: Path, nodes, tensors, result: str, shape) -> Path:
    graph = helper.make_graph(
        nodes,
        "large",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, shape)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def compiled(path: Path) -> dict[str, float]:
    """Return what compiling costs in this process: seconds of work, and the most memory that was its own, in MB."""
    import tondo

    begin, start = time.process_time(), _peak()
    model = tondo.compile(path, threads=1, config={"cache": False, "codegen": {"use": "llvm", "opt_level": 1}})
    spent = time.process_time() - begin
    width = model.inputs[0].shape[1]
    x = np.random.default_rng(1).standard_normal((3, width), np.float32)
    return {"seconds": spent, "megabytes": _peak(), "start": start, "sum": float(np.abs(model(x)).sum())}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Write a model unless it is there, compile it, print the figures."""
    kind, size, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    make = {"bytes": lambda: of_bytes(folder, 40, size), "nodes": lambda: of_nodes(folder, size)}[kind]
    path = folder / "model.onnx"
    print(json.dumps(compiled(path if path.exists() else make())))


if __name__ == "__main__":
    main()
