"""Compile and run one model with whatever is installed, and tell which rule and which instruction served.

    python examples/collaboration/compare.py [--target TARGET] [--rounds N]

The model is one node ``fixed::Linear``, so the package of the operator has to be installed; those of the rule and of
the instructions may be. Prints one line of JSON: ``rule``, ``instructions``, ``exact`` (whether the result is numpy's,
bit for bit), ``seconds``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, TensorProto, helper

import tondo


def model(m: int, n: int, k: int) -> ModelProto:
    """Return the model: ``x [m, k]`` and weights ``w [n, k]`` of 16-bit integers, a scale per column."""
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.INT16, [m, k]),
        helper.make_tensor_value_info("w", TensorProto.INT16, [n, k]),
        helper.make_tensor_value_info("scale", TensorProto.FLOAT, [n]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [m, n])]
    node = helper.make_node("Linear", ["x", "w", "scale"], ["y"], "layer", domain="fixed")
    graph = helper.make_graph([node], "linear", inputs, outputs)
    imports = [helper.make_opsetid("", 21), helper.make_opsetid("fixed", 1)]
    return helper.make_model(graph, ir_version=10, opset_imports=imports)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compile, run, compare with numpy, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--target", default="native,threads=1", help="what to compile for")
    parser.add_argument("--rounds", type=int, default=50, help="measured calls")
    options = parser.parse_args(arguments)
    m, n, k = 64, 256, 512
    generator = np.random.default_rng(0)
    x, w = (generator.integers(-(1 << 15), 1 << 15, (rows, k)).astype(np.int16) for rows in (m, n))
    scale = generator.random(n).astype(np.float32)
    with np.errstate(over="ignore"):
        total = x.astype(np.int32) @ w.T.astype(np.int32)
    expected = np.maximum(total.astype(np.float32) * scale, 0)

    compiled = tondo.compile(model(m, n, k), target=options.target, config={"cache": False})
    found = compiled(x, w, scale)
    seconds: list[float] = []
    for _ in range(options.rounds):
        begin = time.perf_counter()
        compiled(x, w, scale)
        seconds.append(time.perf_counter() - begin)
    assert compiled.module is not None
    functions = [item for item in compiled.module.tensor_functions() if "rule" in item.attrs]
    used = {name: count for item in functions for name, count in dict(item.attrs.get("intrinsics") or {}).items()}
    told = {
        "rule": [str(item.attrs["rule"]) for item in functions],
        "instructions": used,
        "exact": bool(np.array_equal(found, expected)),
        "seconds": min(seconds),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
