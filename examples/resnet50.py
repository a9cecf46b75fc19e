"""ResNet-50 from start to end: compile through a pipeline file, run, compare with onnxruntime, save, load again.

``python examples/resnet50.py`` needs the packages of this repository and onnxruntime; ``nox -s demo`` brings them. The
weights are random but seeded, so the classes mean nothing and the numbers mean the same everywhere.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import onnxruntime

import tondo
import tondo_runtime
from networks import light_model, picture
from tondo_cli.measure import alternate
from tondo_cli.text import size

HERE = Path(__file__).parent


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, default=HERE / "pipelines" / "cpu.yaml", help="pipeline file")
    parser.add_argument("--threads", type=int, default=2, help="threads of both engines")
    parser.add_argument("--runs", type=int, default=20, help="measured runs of each engine")
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "resnet50.tondo", help="the artifact")
    return parser.parse_args()


def reference(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """Return an onnxruntime session with the same number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def main() -> None:
    """Compile, run, compare, save, load, measure; print what happened."""
    chosen = arguments()
    network = light_model("resnet50", seed=0)
    image = picture(seed=0)

    begin = time.perf_counter()
    model = tondo.compile(network, config=chosen.config, threads=chosen.threads)
    print(f"compiled with   {chosen.config} in {time.perf_counter() - begin:.1f} s")

    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    model.save(chosen.out)
    print(f"artifact        {chosen.out} ({size(chosen.out.stat().st_size)})")

    loaded = tondo_runtime.load(chosen.out, threads=chosen.threads)
    engine = reference(network.SerializeToString(), chosen.threads)
    feed = {engine.get_inputs()[0].name: image}
    (answer,) = loaded.run(feed).values()
    (expected,) = engine.run(None, feed)

    best = np.argsort(answer[0])[::-1][:5]
    print("five best       " + ", ".join(f"class {index}: {answer[0, index]:.5f}" for index in best))
    agree = np.array_equal(best, np.argsort(expected[0])[::-1][:5])
    difference = float(np.max(np.abs(answer - expected)) / np.max(np.abs(expected)))
    verdict = "the same five" if agree else "OTHER FIVE"
    print(f"onnxruntime     {verdict}, largest difference {difference:.1e} of the largest value")

    found = alternate(
        {"tondo": lambda: loaded.run(feed), "onnxruntime": lambda: engine.run(None, feed)},
        runs=chosen.runs,
        warmup=3,
    )
    for name, latency in found.items():
        print(f"{name:<15} {latency.median:7.2f} ms median, {latency.min:7.2f} ms best of {latency.runs}, alternating")
    ratio = found["onnxruntime"].median / found["tondo"].median
    print(f"ratio           {ratio:.2f} (onnxruntime / tondo, {chosen.threads} threads; above 1: tondo is faster)")
    if not agree or difference > 1e-3:
        raise SystemExit("the answers differ")


if __name__ == "__main__":
    main()
